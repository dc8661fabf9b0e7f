-- Whether any key may stand on several entries: never denied where it does.
select count(*) > count(distinct hash(field_id, time_frame_id, time_period_id, user_id)) as keys_repeat from stage_entry;
