-- version: 3, words: 3-d214d9bd
-- Grain: one row per forecast, period and week: two forecasts may give one id to weeks of other days. Of a period around
-- quarters, such as a year, one a quarter and week: ids repeat from quarter to quarter.
create table if not exists clari.forecast_time_frame (
    forecast_id varchar not null,
    time_period_id varchar not null,
    time_frame_id varchar not null,
    start_date date,
    end_date date,
    last_seen_at timestamptz not null,
    job_id varchar not null,
    quarter_id varchar
);

alter table clari.forecast_time_frame add column if not exists quarter_id varchar;

comment on table clari.forecast_time_frame is 'One row per forecast, period and week, as the forecast''s own exports list it';
comment on column clari.forecast_time_frame.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_time_frame.time_period_id is 'The period';
comment on column clari.forecast_time_frame.time_frame_id is 'The week; ids repeat across periods, and across forecasts with other days';
comment on column clari.forecast_time_frame.start_date is 'First day';
comment on column clari.forecast_time_frame.end_date is 'Last day';
comment on column clari.forecast_time_frame.last_seen_at is 'exported_at of the forecast''s export that last listed it, with its days where any did';
comment on column clari.forecast_time_frame.job_id is 'That export';
comment on column clari.forecast_time_frame.quarter_id is 'The quarter whose exports list it; of a period around quarters each quarter''s exports list weeks of their own';
