select field_id, time_frame_id, time_period_id, user_id, count(*) as versions
from stage_entry
where field_id is not null and time_frame_id is not null and time_period_id is not null and user_id is not null
group by field_id, time_frame_id, time_period_id, user_id
having count(*) > 1
order by all
limit 20;
