-- The forecasts and quarters of which a document has landed.
select distinct forecast_id, time_period_id
from clari.export_job
where landing_path is not null
order by time_period_id, forecast_id;
