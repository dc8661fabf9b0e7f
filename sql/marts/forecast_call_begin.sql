-- Grain: one row per export (by its job) or week, period, person and forecast field: the call as known then. has_begun:
-- some entry is of that week or an earlier one. time_frame_id is the week of the call, of those that the period has; null
-- where none of them has begun. pipeline_closed is what has closed of the field that crm_total is of.
create or replace temp table forecast_call (
    job_id varchar, time_period_id varchar, time_frame_id varchar, user_id varchar, field_id varchar,
    call_value decimal(18, 4), is_submitted boolean, is_present boolean, has_begun boolean, currency_code varchar,
    adjustment_value decimal(18, 4), crm_total decimal(18, 4), pipeline_closed decimal(18, 4), crm_closed decimal(18, 4),
    quota_value decimal(18, 4), updated_by varchar, updated_at timestamptz
);

-- Grain: one row per export and person whom it showed.
create or replace temp table person_at (
    job_id varchar, user_id varchar, crm_user_id varchar, name varchar, email varchar, role_id varchar, role_name varchar,
    parent_role_id varchar
);
