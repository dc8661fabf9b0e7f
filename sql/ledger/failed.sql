-- No document came.
update clari.export_job
set state = $state, clari_status = coalesce($clari_status, clari_status), error = $error, error_kind = $error_kind
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');
