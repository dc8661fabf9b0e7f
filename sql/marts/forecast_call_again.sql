-- The calls of one export are those of another.
insert into forecast_call (
    job_id, time_period_id, time_frame_id, user_id, field_id, call_value, is_submitted, is_present, has_begun,
    currency_code, adjustment_value, crm_total, pipeline_closed, crm_closed, quota_value, updated_by, updated_at
)
select
    $job_id, time_period_id, time_frame_id, user_id, field_id, call_value, is_submitted, is_present, has_begun,
    currency_code, adjustment_value, crm_total, pipeline_closed, crm_closed, quota_value, updated_by, updated_at
from forecast_call
where job_id = $known_job_id;
