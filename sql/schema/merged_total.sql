-- version: 2, words: 2-720fdb98
-- Grain: one row per forecast, quarter, table and field: what its last merge left there, counted and totalled.
create table if not exists clari.merged_total (
    forecast_id varchar not null,
    quarter_id varchar,
    table_name varchar not null,
    field_id varchar,
    row_count bigint not null,
    present_count bigint,
    forecast_value_total decimal(38,4),
    forecast_value_count bigint,
    quota_value_total decimal(38,4),
    quota_value_count bigint,
    adjustment_value_total decimal(38,4),
    adjustment_value_count bigint,
    crm_total_total decimal(38,4),
    crm_total_count bigint,
    crm_closed_total decimal(38,4),
    crm_closed_count bigint,
    fingerprint decimal(38,0),
    hashed_by decimal(38,0)
);

comment on table clari.merged_total is 'One row per forecast, quarter, table and field: the rows that the last merge left there, counted and totalled; the next merge compares them with what stands there then (tables_reconcile)';
comment on column clari.merged_total.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.merged_total.quarter_id is 'The quarter whose exports show the rows; null for people, who are of all the forecast''s quarters';
comment on column clari.merged_total.table_name is 'The table that holds the rows';
comment on column clari.merged_total.field_id is 'The field; null where the table has none';
comment on column clari.merged_total.row_count is 'How many rows there are';
comment on column clari.merged_total.present_count is 'How many of them exports still showed (in_latest_export, is_present); null where the table does not say so';
comment on column clari.merged_total.forecast_value_total is 'Sum of forecast_value, whatever the currencies; null where there is none';
comment on column clari.merged_total.forecast_value_count is 'How many rows have a forecast_value';
comment on column clari.merged_total.quota_value_total is 'Sum of quota_value';
comment on column clari.merged_total.quota_value_count is 'How many rows have a quota_value';
comment on column clari.merged_total.adjustment_value_total is 'Sum of adjustment_value';
comment on column clari.merged_total.adjustment_value_count is 'How many rows have an adjustment_value';
comment on column clari.merged_total.crm_total_total is 'Sum of crm_total';
comment on column clari.merged_total.crm_total_count is 'How many rows have a crm_total';
comment on column clari.merged_total.crm_closed_total is 'Sum of crm_closed';
comment on column clari.merged_total.crm_closed_count is 'How many rows have a crm_closed';
comment on column clari.merged_total.fingerprint is 'Sum of a hash of each row, by the engine: the same whatever the order of the rows, another one where two values changed places';
comment on column clari.merged_total.hashed_by is 'Hash of a constant: where it is another one, the engine or this release hashes in another way, and fingerprints are not compared';
