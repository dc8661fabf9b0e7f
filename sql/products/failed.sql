-- No document came.
update clari.product_fetch
set state = $state, clari_status = coalesce($clari_status, clari_status), error = $error, error_kind = $error_kind
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');
