-- Clari has accepted the export.
update clari.export_job set state = 'SUBMITTED', job_id = $job_id where request_id = $request_id;
