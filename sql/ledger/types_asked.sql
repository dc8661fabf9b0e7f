-- What is asked for now, and beside it what Clari does not give of the request.
update clari.export_job
set types_to_export = $types_to_export, types_refused = $types_refused
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');
