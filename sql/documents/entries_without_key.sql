select field_id, time_frame_id, time_period_id, user_id
from stage_entry
where field_id is null or time_frame_id is null or time_period_id is null or user_id is null
order by field_id, time_frame_id, time_period_id, user_id
limit 20;
