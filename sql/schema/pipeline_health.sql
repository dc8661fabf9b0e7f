-- version: 1, words: 1-9fe2a98a
create table if not exists clari.pipeline_health (
    forecast_id varchar not null,
    time_period_id varchar not null,
    day date not null,
    jobs_submitted bigint,
    jobs_completed bigint,
    jobs_refused bigint,
    jobs_failed bigint,
    jobs_timed_out bigint,
    completion_rate decimal(18,6),
    median_wait_seconds decimal(18,3),
    max_wait_seconds decimal(18,3),
    rows_exported bigint,
    rows_loaded bigint,
    last_success_at timestamptz,
    polls bigint,
    retries bigint,
    slot_wait_seconds decimal(18,3),
    median_latency_seconds decimal(18,3),
    max_latency_seconds decimal(18,3)
);

alter table clari.pipeline_health add column if not exists polls bigint;
alter table clari.pipeline_health add column if not exists retries bigint;
alter table clari.pipeline_health add column if not exists slot_wait_seconds decimal(18,3);
alter table clari.pipeline_health add column if not exists median_latency_seconds decimal(18,3);
alter table clari.pipeline_health add column if not exists max_latency_seconds decimal(18,3);

comment on table clari.pipeline_health is 'One row a forecast, quarter and day (of submission, in CLARI_ORG_TIMEZONE)';
comment on column clari.pipeline_health.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.pipeline_health.time_period_id is 'The quarter asked for';
comment on column clari.pipeline_health.day is 'Day';
comment on column clari.pipeline_health.jobs_submitted is 'Exports that Clari accepted';
comment on column clari.pipeline_health.jobs_completed is 'Exports that were merged';
comment on column clari.pipeline_health.jobs_refused is 'Documents that were not good enough';
comment on column clari.pipeline_health.jobs_failed is 'Exports that brought no document';
comment on column clari.pipeline_health.jobs_timed_out is 'Exports that took too long';
comment on column clari.pipeline_health.completion_rate is 'jobs_completed / all exports that have ended, a fraction';
comment on column clari.pipeline_health.median_wait_seconds is 'Median of wait_seconds';
comment on column clari.pipeline_health.max_wait_seconds is 'Largest wait_seconds';
comment on column clari.pipeline_health.rows_exported is 'Entries in the documents';
comment on column clari.pipeline_health.rows_loaded is 'Entries merged';
comment on column clari.pipeline_health.last_success_at is 'When an export was last merged';
comment on column clari.pipeline_health.polls is 'How often Clari was asked for a job''s state';
comment on column clari.pipeline_health.retries is 'Calls to Clari that had to be made once more';
comment on column clari.pipeline_health.slot_wait_seconds is 'Seconds waited for free slots';
comment on column clari.pipeline_health.median_latency_seconds is 'Median of the seconds from acceptance to the document safe on disk';
comment on column clari.pipeline_health.max_latency_seconds is 'Largest of them';
