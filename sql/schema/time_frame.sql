-- version: 3, words: 3-c8a164bf
-- Grain: one row per period and week, whichever forecasts list it; of a period around quarters one a quarter and week.
create table if not exists clari.time_frame (
    time_period_id varchar not null,
    time_frame_id varchar not null,
    start_date date,
    end_date date,
    week_number integer,
    last_seen_at timestamptz not null,
    job_id varchar not null,
    quarter_id varchar
);

alter table clari.time_frame add column if not exists quarter_id varchar;

comment on table clari.time_frame is 'One row per period and week (of a year: a quarter and week), as the newest export lists it, of whatever forecast; forecast_time_frame has each forecast''s own';
comment on column clari.time_frame.time_period_id is 'The period';
comment on column clari.time_frame.time_frame_id is 'The week; ids repeat across periods, and forecasts may give one id to other days';
comment on column clari.time_frame.start_date is 'First day; forecast_time_frame has that of each forecast';
comment on column clari.time_frame.end_date is 'Last day; forecast_time_frame has that of each forecast';
comment on column clari.time_frame.week_number is '1 is the period''s first week, of those of the quarter, by start_date, then id';
comment on column clari.time_frame.last_seen_at is 'exported_at of the export that last listed it, with its days where any did';
comment on column clari.time_frame.job_id is 'That export';
comment on column clari.time_frame.quarter_id is 'The quarter whose exports list it; of a period around quarters each quarter''s exports list weeks of their own';
