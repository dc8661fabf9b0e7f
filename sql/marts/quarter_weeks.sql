-- Grain: one row a week of the quarter that the forecast lists and that has begun, with the moment that its rows know of:
-- its end, but nothing after the newest export and nothing before the first; where no export is of the week itself, the
-- newest before it. A week without a first day has no end, and no row.
with week as (
    select time_frame_id, min(start_date) as start_date, max(end_date) as end_date
    from forecast_week
    group by time_frame_id
),

ending as (
    select
        time_frame_id,
        start_date,
        end_date,
        cast(start_date as timestamp) at time zone 'UTC' as begins_at,
        cast(end_date as timestamp) at time zone 'UTC' + interval 1 day - interval 1 microsecond as ends_at
    from week
    where start_date <= cast($newest_export at time zone 'UTC' as date)
),

known as (
    select ending.time_frame_id, max(export.exported_at) as known_at
    from ending
    inner join clari.export_job as export
        on
            export.forecast_id = $forecast_id
            and export.time_period_id = $quarter_id
            and export.state = 'LOADED'
            and export.exported_at <= ending.ends_at
    group by ending.time_frame_id
)

select
    ending.time_frame_id,
    lag(ending.time_frame_id) over (order by ending.start_date, ending.time_frame_id) as previous_time_frame_id,
    ending.start_date,
    ending.end_date,
    ending.ends_at,
    case
        when ending.ends_at < $first_export then $first_export
        when ending.ends_at > $newest_export then $newest_export
        when known.known_at < ending.begins_at then known.known_at
        else ending.ends_at
    end as as_of,
    ending.ends_at < $newest_export as is_week_over,
    ending.ends_at < $first_export as is_backfilled
from ending
left join known on known.time_frame_id = ending.time_frame_id
order by ending.start_date, ending.time_frame_id;
