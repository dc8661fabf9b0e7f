select time_period_id, field_id, quota_field_id, closed_field_id, pipeline_field_id
from measure_field
order by time_period_id, field_id;
