-- version: 4, words: 4-7200631c
create table if not exists clari.forecast_swing (
    forecast_id varchar not null,
    time_period_id varchar not null,
    user_id varchar not null,
    field_id varchar not null,
    baseline varchar not null,
    previous_value decimal(18,4),
    current_value decimal(18,4),
    change_amount decimal(18,4),
    change_pct decimal(18,6),
    is_swing boolean not null,
    reason varchar,
    threshold decimal(18,6),
    time_frame_id varchar,
    previous_time_frame_id varchar,
    currency_code varchar,
    previous_job_id varchar,
    job_id varchar not null,
    detected_at timestamptz,
    previous_user_id varchar,
    min_amount decimal(18,4),
    is_muted boolean,
    updated_by varchar,
    updated_at timestamptz,
    previous_currency_code varchar,
    user_name varchar,
    field_name varchar
);

alter table clari.forecast_swing add column if not exists previous_user_id varchar;
alter table clari.forecast_swing add column if not exists min_amount decimal(18,4);
alter table clari.forecast_swing add column if not exists is_muted boolean;
alter table clari.forecast_swing add column if not exists updated_by varchar;
alter table clari.forecast_swing add column if not exists updated_at timestamptz;
alter table clari.forecast_swing add column if not exists previous_currency_code varchar;
alter table clari.forecast_swing add column if not exists user_name varchar;
alter table clari.forecast_swing add column if not exists field_name varchar;

comment on table clari.forecast_swing is 'One row per comparison: forecast, period, person, forecast field, baseline and sync';
comment on column clari.forecast_swing.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_swing.time_period_id is 'The quarter, or a month inside it; a year has no rows here';
comment on column clari.forecast_swing.user_id is 'The person, by Clari''s id';
comment on column clari.forecast_swing.field_id is 'The forecast field';
comment on column clari.forecast_swing.baseline is 'sync: the previous loaded export; week: the newest that is at least six and a half days older';
comment on column clari.forecast_swing.previous_value is 'The call then';
comment on column clari.forecast_swing.current_value is 'The call now';
comment on column clari.forecast_swing.change_amount is 'now - then; null where the two are in different currencies';
comment on column clari.forecast_swing.change_pct is 'change / |then|, a fraction: -0.25 is 25 % less; null where then is 0 or null, or in another currency';
comment on column clari.forecast_swing.is_swing is 'Whether it moved by more than is allowed';
comment on column clari.forecast_swing.reason is 'Why it is a swing, or why a change is none';
comment on column clari.forecast_swing.threshold is 'The share that was allowed, a fraction: 0.2 is 20 %';
comment on column clari.forecast_swing.time_frame_id is 'Week of the call now';
comment on column clari.forecast_swing.previous_time_frame_id is 'Week of the call then';
comment on column clari.forecast_swing.currency_code is 'ISO 4217 code';
comment on column clari.forecast_swing.previous_job_id is 'The export compared with';
comment on column clari.forecast_swing.job_id is 'The export';
comment on column clari.forecast_swing.detected_at is 'When the export was merged';
comment on column clari.forecast_swing.previous_user_id is 'The id under which the same CRM person stood then, where it is another';
comment on column clari.forecast_swing.min_amount is 'A smaller change is no swing';
comment on column clari.forecast_swing.is_muted is 'clari_pipeline.toml says that nobody is to be told of it';
comment on column clari.forecast_swing.updated_by is 'User id of whoever wrote the call of now: who submitted it, or who overrode it where overrides are calls; null where it was written before the call of then and stands again';
comment on column clari.forecast_swing.updated_at is 'When the call of now was written';
comment on column clari.forecast_swing.previous_currency_code is 'ISO 4217 code of the call then';
comment on column clari.forecast_swing.user_name is 'Full name, as of the export';
comment on column clari.forecast_swing.field_name is 'The field''s name in Clari, as of the export';
