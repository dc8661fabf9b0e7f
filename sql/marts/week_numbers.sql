select time_frame_id, time_period_id, week_number, weeks_to_end
from forecast_week
order by time_frame_id, time_period_id;
