-- What the newest loaded document lists, staged once more.
create or replace temp table stage_user as select * from kept_stage_user;

create or replace temp table stage_field as select * from kept_stage_field;

create or replace temp table stage_time_period as select * from kept_stage_time_period;

create or replace temp table stage_week as select * from kept_stage_week;

create or replace temp table stage_time_frame as select * from kept_stage_time_frame;
