-- How the exports went, from the ledger.
delete from clari.pipeline_health;

insert into clari.pipeline_health (
    forecast_id, time_period_id, day, jobs_submitted, jobs_completed, jobs_refused, jobs_failed, jobs_timed_out,
    completion_rate, median_wait_seconds, max_wait_seconds, rows_exported, rows_loaded, last_success_at, polls,
    retries, slot_wait_seconds, median_latency_seconds, max_latency_seconds
)
with zone as (
    select coalesce(max(time_zone), 'UTC') as time_zone from clari.organisation
),

job as (
    select export_job.*, cast(export_job.submitted_at at time zone zone.time_zone as date) as day
    from clari.export_job
    cross join zone
    where export_job.submitted_at is not null
)

select
    forecast_id,
    time_period_id,
    day,
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
