-- Grain: one row a forecast, period and forecast field that people look at, the newest period first, and the export that
-- its figures are of.
select
    stand.forecast_id,
    stand.time_period_id,
    coalesce(period.quarter_id, stand.time_period_id) as quarter_id,
    period.label,
    period.start_date,
    period.end_date,
    stand.field_id,
    max(stand.field_name) as field_name,
    count(*) as people,
    max(stand.as_of) as as_of
from clari.forecast_vs_quota as stand
left join clari.time_period as period on period.time_period_id = stand.time_period_id
group by
    stand.forecast_id,
    stand.time_period_id,
    coalesce(period.quarter_id, stand.time_period_id),
    period.label,
    period.start_date,
    period.end_date,
    stand.field_id
order by
    period.end_date desc nulls last,
    period.start_date,
    stand.time_period_id desc,
    stand.forecast_id,
    max(stand.field_name),
    stand.field_id;
