-- Grain: one row an opportunity of the document: of several the one that was read last.
create or replace temp table stage_opportunity as
select
    opportunity_id,
    crm_score,
    crm_score_message
from stage_raw_opportunity
qualify row_number() over (partition by opportunity_id order by position desc) = 1;

-- Grain: one row a field of the document: of several the one that was read last.
create or replace temp table stage_opportunity_field as
select
    opportunity_id,
    field_id,
    alias,
    value,
    value_type,
    value_number,
    original_value,
    original_value_type,
    original_value_number,
    trend
from stage_raw_opportunity_field
qualify row_number() over (partition by opportunity_id, field_id order by position desc) = 1;

-- Grain: one row a change of the document: of several the one that was read last.
create or replace temp table stage_opportunity_field_trend as
select
    trend_id,
    opportunity_id,
    field_id,
    value_changed_at,
    old_value,
    old_value_number,
    new_value,
    new_value_number
from stage_raw_opportunity_field_trend
qualify row_number() over (partition by trend_id order by position desc) = 1;
