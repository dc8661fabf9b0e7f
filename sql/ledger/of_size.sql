select count(*) as documents from clari.export_job where state = 'LOADED' and result_bytes = $result_bytes;
