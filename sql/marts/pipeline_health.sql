-- How the exports went, from the ledger.
delete from clari.pipeline_health;

insert into clari.pipeline_health
select
    forecast_id,
    time_period_id,
    cast(submitted_at at time zone 'UTC' as date) as day,
    count(job_id) as jobs_submitted,
    count(*) filter (where state = 'LOADED') as jobs_completed,
    count(*) filter (where state = 'REFUSED') as jobs_refused,
    count(*) filter (where state in ('FAILED', 'CANCELLED')) as jobs_failed,
    count(*) filter (where state = 'TIMED_OUT') as jobs_timed_out,
    cast(
        cast(count(*) filter (where state = 'LOADED') as decimal(18, 6))
        / nullif(count(*) filter (where state not in ('SUBMITTING', 'SUBMITTED', 'LANDED')), 0) as decimal(18, 6)
    ) as completion_rate,
    cast(median(wait_seconds) filter (where clari_status is not null) as decimal(18, 3)) as median_wait_seconds,
    max(wait_seconds) as max_wait_seconds,
    sum(rows_exported) as rows_exported,
    sum(case when state = 'LOADED' then rows_staged end) as rows_loaded,
    max(loaded_at) as last_success_at,
    sum(poll_count) as polls,
    sum(coalesce(retry_count, 0)) as retries,
    sum(coalesce(slot_wait_seconds, 0)) as slot_wait_seconds,
    cast(median(latency_seconds) as decimal(18, 3)) as median_latency_seconds,
    max(latency_seconds) as max_latency_seconds
from clari.export_job
where submitted_at is not null
group by all;
