-- Grain: one row a forecast, period and forecast field: the open pipeline of the one at the top, in the newest week.
with placed as (
    select
        *,
        row_number() over (
            partition by forecast_id, time_period_id, field_id order by week_number desc, time_frame_id desc
        ) as newest
    from clari.pipeline_coverage
    where is_top
)

select
    forecast_id,
    time_period_id,
    field_id,
    open_pipeline,
    left_to_quota,
    coverage_ratio,
    currency_code
from placed
where newest = 1;
