-- version: 3, words: 3-b50859c0
-- Grain: one row per comparison as a whole: forecast, period, forecast field, baseline and sync. It stays when calls that
-- did not move have left forecast_swing.
create table if not exists clari.forecast_swing_summary (
    forecast_id varchar not null,
    time_period_id varchar not null,
    field_id varchar not null,
    baseline varchar not null,
    compared bigint not null,
    moved bigint not null,
    swung bigint not null,
    sum_before decimal(18,4),
    sum_after decimal(18,4),
    previous_currency_code varchar,
    currency_code varchar,
    kept bigint not null,
    judged bigint not null,
    has_cents boolean not null,
    previous_job_id varchar,
    job_id varchar not null,
    detected_at timestamptz,
    field_name varchar
);

alter table clari.forecast_swing_summary add column if not exists field_name varchar;

comment on table clari.forecast_swing_summary is 'One row per comparison as a whole: forecast, period, forecast field, baseline and sync; how many calls were compared, whether they have a row in forecast_swing or not';
comment on column clari.forecast_swing_summary.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_swing_summary.time_period_id is 'The entry''s own period: the quarter, or a month inside it';
comment on column clari.forecast_swing_summary.field_id is 'The forecast field';
comment on column clari.forecast_swing_summary.baseline is 'sync or week, as in forecast_swing';
comment on column clari.forecast_swing_summary.compared is 'Calls compared, those included that did not move';
comment on column clari.forecast_swing_summary.moved is 'How many of them are another amount now, or were there only then or only now';
comment on column clari.forecast_swing_summary.swung is 'How many of them are swings';
comment on column clari.forecast_swing_summary.sum_before is 'All calls then, managers'' and reports'' alike: it shows that something moved, and is no total of the forecast; null where they stand in several currencies';
comment on column clari.forecast_swing_summary.sum_after is 'All calls now, likewise';
comment on column clari.forecast_swing_summary.previous_currency_code is 'ISO 4217 code of sum_before';
comment on column clari.forecast_swing_summary.currency_code is 'ISO 4217 code of sum_after';
comment on column clari.forecast_swing_summary.kept is 'How many of them moved or have a reason: these keep their row in forecast_swing';
comment on column clari.forecast_swing_summary.judged is 'How many of them could have been swings that people are told of: submitted then and now, in one currency, by one request, not muted';
comment on column clari.forecast_swing_summary.has_cents is 'Whether any of those judged is no whole amount, then or now';
comment on column clari.forecast_swing_summary.previous_job_id is 'The export compared with';
comment on column clari.forecast_swing_summary.job_id is 'The export';
comment on column clari.forecast_swing_summary.detected_at is 'When the export was merged';
comment on column clari.forecast_swing_summary.field_name is 'The field''s name in Clari, as of the export';
