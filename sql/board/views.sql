-- Grain: one row a forecast, period and forecast field that people look at, the newest period first, and the export that
-- its figures are of. Current: that export is of one of the period's days.
with zone as (
    select coalesce(max(time_zone), 'UTC') as time_zone from clari.organisation
)

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
    max(stand.as_of) as as_of,
    coalesce(
        cast(max(stand.as_of) at time zone zone.time_zone as date) between period.start_date and period.end_date, false
    ) as is_current
from clari.forecast_vs_quota as stand
left join clari.time_period as period on period.time_period_id = stand.time_period_id
cross join zone
group by
    stand.forecast_id,
    stand.time_period_id,
    coalesce(period.quarter_id, stand.time_period_id),
    period.label,
    period.start_date,
    period.end_date,
    stand.field_id,
    zone.time_zone
order by
    period.end_date desc nulls last,
    period.start_date,
    stand.time_period_id desc,
    stand.forecast_id,
    max(stand.field_name),
    stand.field_id;
