-- When the rows became visible.
update clari.export_job set loaded_at = $loaded_at where request_id = $request_id;
