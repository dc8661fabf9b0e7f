select field_id, time_frame_id, time_period_id, user_id, measure, written
from stage_unreadable
order by field_id, time_frame_id, time_period_id, user_id, measure, written
limit 20;
