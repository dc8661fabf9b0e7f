select request_id from clari.export_job where state = 'REFUSED';
