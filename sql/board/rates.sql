-- Grain: one row: of all exports that have ended in the last thirty days that there are, the share that was merged.
with newest as (
    select max(day) as day
    from clari.pipeline_health
)

select
    clari.fraction(
        sum(health.jobs_completed),
        sum(health.jobs_completed + health.jobs_refused + health.jobs_failed + health.jobs_timed_out)
    ) as completion_rate,
    cast(sum(health.jobs_submitted) as bigint) as jobs_submitted,
    cast(sum(health.jobs_completed) as bigint) as jobs_completed,
    cast(sum(health.jobs_refused) as bigint) as jobs_refused,
    cast(sum(health.jobs_failed + health.jobs_timed_out) as bigint) as jobs_failed,
    max(newest.day) as newest_day,
    max(health.max_wait_seconds) as max_wait_seconds,
    max(health.last_success_at) as last_success_at
from clari.pipeline_health as health
inner join newest on health.day > newest.day - 30;
