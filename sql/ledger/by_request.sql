select * from clari.export_job where request_id = $request_id;
