select job_id from clari.product_fetch where job_id is not null;
