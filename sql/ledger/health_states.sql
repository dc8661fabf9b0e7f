-- Grain: one row a forecast, quarter and state: how many exports stand there.
select forecast_id, time_period_id, state, count(*) as exports
from clari.export_job
group by forecast_id, time_period_id, state
order by time_period_id desc, forecast_id, state;
