-- Clari cannot be asked now; the state stays, and the next run goes on with it.
update clari.product_fetch
set error = $error, error_kind = $error_kind
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');
