-- Grain: one row per period of the quarter and week that the forecast lists and that has begun. A week without a first day
-- has no end, and no row.
select time_frame_id, start_date, end_date, time_period_id
from forecast_week
where start_date <= $today
order by start_date, time_frame_id, end_date, time_period_id;
