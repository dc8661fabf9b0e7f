-- Grain: one row a week of the quarter that has begun: periods share it where they list one id with the same days. A week
-- without a first day has no end, and no row.
select
    time_frame_id,
    start_date,
    coalesce(end_date, start_date + 6) as end_date,
    array_agg(time_period_id order by time_period_id) as periods
from clari.time_frame
where
    time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and start_date <= $today
group by time_frame_id, start_date, coalesce(end_date, start_date + 6)
order by start_date, time_frame_id, end_date;
