-- version: 3, words: 3-31d323b8
-- Grain: one row per forecast, period and export that present rows of forecast_entry_state name: the export that last showed
-- those rows, which stay as they are meanwhile.
create table if not exists clari.forecast_entry_sighting (
    forecast_id varchar not null,
    time_period_id varchar not null,
    known_job_id varchar not null,
    job_id varchar not null,
    exported_at timestamptz not null,
    quarter_id varchar,
    primary key (forecast_id, time_period_id, known_job_id)
);

alter table clari.forecast_entry_sighting add column if not exists quarter_id varchar;

comment on table clari.forecast_entry_sighting is 'One row per forecast, period and export that present rows of forecast_entry_state name: the export that last showed those rows, which stay as they are meanwhile';
comment on column clari.forecast_entry_sighting.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_entry_sighting.time_period_id is 'The entries'' own period: the quarter, a month inside it, or a period around it, such as its year';
comment on column clari.forecast_entry_sighting.known_job_id is 'The export that the rows name';
comment on column clari.forecast_entry_sighting.job_id is 'The export that last showed them, all of them';
comment on column clari.forecast_entry_sighting.exported_at is 'What that export is as of';
comment on column clari.forecast_entry_sighting.quarter_id is 'The quarter whose exports show them';
