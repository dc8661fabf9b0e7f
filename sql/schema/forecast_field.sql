-- version: 2, words: 2-36112a35
create table if not exists clari.forecast_field (
    forecast_id varchar not null,
    field_id varchar not null,
    field_name varchar,
    field_type varchar,
    last_seen_at timestamptz not null,
    job_id varchar not null
);

comment on table clari.forecast_field is 'One row per forecast and field';
comment on column clari.forecast_field.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_field.field_id is 'The forecast or quota field';
comment on column clari.forecast_field.field_name is 'Its name in Clari';
comment on column clari.forecast_field.field_type is 'Clari''s type of it';
comment on column clari.forecast_field.last_seen_at is 'exported_at of the export that last showed it';
comment on column clari.forecast_field.job_id is 'That export';
