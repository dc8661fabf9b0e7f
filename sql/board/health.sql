-- Grain: as pipeline_health_month; the median wait of a quarter is that of the newest day on which any was waited for.
with newest_wait as (
    select forecast_id, time_period_id, median_wait_seconds
    from clari.pipeline_health
    where median_wait_seconds is not null
    qualify row_number() over (partition by forecast_id, time_period_id order by day desc) = 1
)

select health.*, newest_wait.median_wait_seconds
from clari.pipeline_health_month as health
left join newest_wait
    on newest_wait.forecast_id = health.forecast_id and newest_wait.time_period_id = health.time_period_id
order by health.time_period_id desc nulls first, health.forecast_id;
