-- One row: the week of the call: the newest that has begun, else the earliest; by id where weeks carry no dates, as
-- numbers where ids are numbers.
select max(time_frame_id) as call_time_frame_id
from (
    select time_frame_id
    from (
        select
            *,
            case when start_date <= $today then 0 when start_date is null then 1 else 2 end as rank,
            case
                when translate(time_frame_id, '0123456789', '') = '' then lpad(time_frame_id, 40, '0') else time_frame_id
            end as place
        from stage_week
    ) as week
    order by
        rank,
        case when rank = 2 then start_date end,
        case when rank = 2 then place end,
        case when rank = 2 then time_frame_id end,
        start_date desc,
        place desc,
        time_frame_id desc
    limit 1
) as week;
