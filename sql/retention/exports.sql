-- The exports that are in the tables, of quarters before the oldest one kept: each has its landed document.
select request_id, forecast_id, time_period_id as quarter_id, landing_path
from clari.export_job
where state = 'LOADED' and time_period_id < $oldest_kept
order by time_period_id, forecast_id, exported_at, submitted_at, request_id;
