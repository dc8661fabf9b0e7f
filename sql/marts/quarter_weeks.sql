-- Grain: one row a week of the quarter that the forecast lists and that has begun: periods share it where they list one id
-- with the same days. A week without a first day has no end, and no row.
select
    time_frame_id,
    start_date,
    end_date,
    array_agg(time_period_id order by time_period_id) as periods
from forecast_week
where start_date <= $today
group by time_frame_id, start_date, end_date
order by start_date, time_frame_id, end_date;
