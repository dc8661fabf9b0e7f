-- Grain: one row a week of the quarter that has begun, with the moment that its rows know of: its end, but nothing
-- after the newest export and nothing before the first. A week without a first day has no end, and no row.
with week as (
    select time_frame_id, min(start_date) as start_date, max(coalesce(end_date, start_date + 6)) as end_date
    from clari.time_frame
    where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    group by time_frame_id
),

ending as (
    select
        time_frame_id,
        start_date,
        end_date,
        cast(end_date as timestamp) at time zone 'UTC' + interval 1 day - interval 1 microsecond as ends_at
    from week
    where start_date <= cast($newest_export at time zone 'UTC' as date)
)

select
    time_frame_id,
    lag(time_frame_id) over (order by start_date, time_frame_id) as previous_time_frame_id,
    start_date,
    end_date,
    ends_at,
    case
        when ends_at < $first_export then $first_export
        when ends_at > $newest_export then $newest_export
        else ends_at
    end as as_of,
    ends_at < $newest_export as is_week_over,
    ends_at < $first_export as is_backfilled
from ending
order by start_date, time_frame_id;
