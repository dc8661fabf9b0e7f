-- Grain: one row a record of the document as it is read; of the same opportunity there may be several.
create or replace temp table stage_raw_opportunity (
    position bigint not null,
    opportunity_id varchar,
    crm_score decimal(18, 4),
    crm_score_message varchar
);

-- Grain: one row a record of the document as it is read; of the same field there may be several.
create or replace temp table stage_raw_opportunity_field (
    position bigint not null,
    opportunity_id varchar,
    field_id varchar,
    alias varchar,
    value varchar,
    value_type varchar,
    value_number decimal(18, 4),
    original_value varchar,
    original_value_type varchar,
    original_value_number decimal(18, 4),
    trend varchar
);

-- Grain: one row a record of the document as it is read; of the same change there may be several.
create or replace temp table stage_raw_opportunity_field_trend (
    position bigint not null,
    trend_id varchar,
    opportunity_id varchar,
    field_id varchar,
    value_changed_at timestamptz,
    old_value varchar,
    old_value_number decimal(18, 4),
    new_value varchar,
    new_value_number decimal(18, 4)
);
