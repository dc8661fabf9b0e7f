-- How many exports of forecasts Clari has counted since a moment.
select count(*) as exports
from clari.export_job
where job_id is not null and submitted_at >= $since;
