select job_id from clari.export_job where job_id is not null;
