-- version: 2, words: 2-58895c84
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

comment on table clari.pipeline_health is 'One row per forecast, quarter and day (of submission, in CLARI_ORG_TIMEZONE)';
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

-- name: refresh
-- How the exports went, from the ledger: of jobs alone.
delete from clari.pipeline_health;

insert into clari.pipeline_health (
    forecast_id, time_period_id, day, jobs_submitted, jobs_completed, jobs_refused, jobs_failed, jobs_timed_out,
    completion_rate, median_wait_seconds, max_wait_seconds, rows_exported, rows_loaded, last_success_at, polls, retries,
    slot_wait_seconds, median_latency_seconds, max_latency_seconds
)
with zone as (select coalesce(max(time_zone), 'UTC') as time_zone from clari.organisation),

job as (
    select export_job.*, cast(export_job.submitted_at at time zone zone.time_zone as date) as day
    from clari.export_job
    cross join zone
    where export_job.submitted_at is not null and export_job.source = 'EXPORT'
)

select
    forecast_id, time_period_id, day,
    count(job_id) as jobs_submitted,
    count(*) filter (where state in ('LOADED', 'RETIRED')) as jobs_completed,
    count(*) filter (where state = 'REFUSED') as jobs_refused,
    count(*) filter (where state in ('FAILED', 'CANCELLED')) as jobs_failed,
    count(*) filter (where state = 'TIMED_OUT') as jobs_timed_out,
    cast(
        cast(count(*) filter (where state in ('LOADED', 'RETIRED')) as decimal(18, 6))
        / nullif(count(*) filter (where state not in ('SUBMITTING', 'SUBMITTED', 'LANDED')), 0) as decimal(18, 6)
    ) as completion_rate,
    cast(
        floor(median(case when clari_status is not null then cast(1000 * wait_seconds as bigint) end)) as decimal(18, 0)
    ) * cast(0.001 as decimal(3, 3)) as median_wait_seconds,
    max(wait_seconds) as max_wait_seconds,
    sum(rows_exported) as rows_exported,
    sum(case when state in ('LOADED', 'RETIRED') then rows_staged end) as rows_loaded,
    max(loaded_at) as last_success_at,
    sum(poll_count) as polls,
    sum(coalesce(retry_count, 0)) as retries,
    sum(coalesce(slot_wait_seconds, 0)) as slot_wait_seconds,
    cast(floor(median(cast(1000 * latency_seconds as bigint))) as decimal(18, 0))
    * cast(0.001 as decimal(3, 3)) as median_latency_seconds,
    max(latency_seconds) as max_latency_seconds
from job
group by forecast_id, time_period_id, day;
