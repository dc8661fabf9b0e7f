-- Grain: one row an entry of the document; copies is how many exact duplicates were dropped into it, itself counted.
create or replace temp table stage_entry (
    entry_no bigint not null,
    field_id varchar,
    time_frame_id varchar,
    time_period_id varchar,
    user_id varchar,
    scope_id varchar,
    currency_code varchar,
    forecast_value decimal(18, 4),
    quota_value decimal(18, 4),
    adjustment_value decimal(18, 4),
    crm_total decimal(18, 4),
    crm_closed decimal(18, 4),
    is_updated boolean,
    updated_by varchar,
    updated_at timestamptz,
    adjusted_by varchar,
    adjusted_at timestamptz,
    copies bigint not null
);

-- Grain: one row a key that stands on entries that differ.
create or replace temp table stage_conflict (
    field_id varchar,
    time_frame_id varchar,
    time_period_id varchar,
    user_id varchar,
    versions bigint not null
);

-- What `stage_unreadable` finds, where any amount is none.
create or replace temp table stage_left_out (field_id varchar, measure varchar, cells bigint, written varchar);

create or replace temp table stage_unreadable (
    field_id varchar,
    time_frame_id varchar,
    time_period_id varchar,
    user_id varchar,
    measure varchar,
    written varchar
);
