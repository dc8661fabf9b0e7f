-- More records of the document, as they are read.
insert into stage_raw_opportunity (
    position, opportunity_id, crm_score, crm_score_message
)
select
    position, opportunity_id, crm_score, crm_score_message
from raw_opportunity;

insert into stage_raw_opportunity_field (
    position, opportunity_id, field_id, alias, value, value_type, value_number, original_value,
    original_value_type, original_value_number, trend
)
select
    position, opportunity_id, field_id, alias, value, value_type, value_number, original_value,
    original_value_type, original_value_number, trend
from raw_opportunity_field;

insert into stage_raw_opportunity_field_trend (
    position, trend_id, opportunity_id, field_id, value_changed_at, old_value, old_value_number, new_value,
    new_value_number
)
select
    position, trend_id, opportunity_id, field_id, value_changed_at, old_value, old_value_number, new_value,
    new_value_number
from raw_opportunity_field_trend;
