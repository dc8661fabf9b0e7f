-- Clari cannot be asked now: the state stays, for the next run to go on from.
update clari.export_job set error = $error, error_kind = $error_kind where request_id = $request_id;
