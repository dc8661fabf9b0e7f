-- One row: the week of the call: the newest that has begun, else the earliest; by id where weeks carry no dates.
select max(time_frame_id) as call_time_frame_id
from (
    select time_frame_id
    from stage_week
    order by
        case
            when start_date <= cast($exported_at at time zone 'UTC' as date) then 0
            when start_date is null then 1
            else 2
        end,
        case when start_date > cast($exported_at at time zone 'UTC' as date) then start_date end,
        case when start_date > cast($exported_at at time zone 'UTC' as date) then time_frame_id end,
        start_date desc,
        time_frame_id desc
    limit 1
) as week;
