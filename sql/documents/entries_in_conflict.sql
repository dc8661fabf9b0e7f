select field_id, time_frame_id, time_period_id, user_id, versions
from stage_conflict
order by field_id, time_frame_id, time_period_id, user_id, versions
limit 20;
