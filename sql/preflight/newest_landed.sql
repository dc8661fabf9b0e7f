-- Grain: one row a forecast and quarter: the newest document that has landed, merged or not.
select forecast_id, time_period_id, landing_path, result_bytes
from clari.export_job
where landing_path is not null
qualify row_number() over (partition by forecast_id, time_period_id order by landed_at desc, request_id) = 1
order by time_period_id desc, forecast_id;
