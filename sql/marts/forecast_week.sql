-- Grain: one row per period of the quarter and week that the forecast lists, whatever another forecast calls its weeks.
-- position is its place in one order of weeks for the whole quarter, whatever the period. week_closes fills in closes_at.
create or replace temp table forecast_week as
with listed as (
    select
        week.time_period_id, week.time_frame_id, week.start_date,
        coalesce(week.end_date, week.start_date + 6) as end_date,
        period.end_date as period_end_date,
        case
            when translate(week.time_frame_id, '0123456789', '') = '' then lpad(week.time_frame_id, 40, '0')
            else week.time_frame_id
        end as place
    from clari.forecast_time_frame as week
    inner join clari.time_period as period on period.time_period_id = week.time_period_id
    where week.forecast_id = $forecast_id and period.quarter_id = $quarter_id
)

select
    time_period_id, time_frame_id, start_date, end_date,
    cast(
        row_number() over (partition by time_period_id order by start_date nulls last, place, time_frame_id) as integer
    ) as week_number,
    dense_rank() over (order by start_date nulls last, place, time_frame_id) as position,
    cast(greatest(0, coalesce(date_diff('day', end_date, period_end_date) // 7, 0)) as integer) as weeks_to_end,
    cast(null as timestamptz) as closes_at
from listed;
