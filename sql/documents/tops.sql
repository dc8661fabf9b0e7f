select user_id, name, email from stage_user where is_top order by user_id limit 20;
