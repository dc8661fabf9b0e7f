-- Grain: one row a forecast and quarter: how its exports went in the last thirty days that there are, and the last success
-- ever.
with newest as (
    select max(day) as day
    from clari.pipeline_health
),

last_day as (
    select forecast_id, time_period_id, max(day) as day
    from clari.pipeline_health
    where median_wait_seconds is not null
    group by forecast_id, time_period_id
)

select
    health.forecast_id,
    health.time_period_id,
    cast(sum(case when health.day > newest.day - 30 then health.jobs_submitted else 0 end) as bigint) as jobs_submitted,
    cast(sum(case when health.day > newest.day - 30 then health.jobs_completed else 0 end) as bigint) as jobs_completed,
    cast(sum(case when health.day > newest.day - 30 then health.jobs_refused else 0 end) as bigint) as jobs_refused,
    cast(sum(case when health.day > newest.day - 30 then health.jobs_failed else 0 end) as bigint) as jobs_failed,
    cast(sum(case when health.day > newest.day - 30 then health.jobs_timed_out else 0 end) as bigint) as jobs_timed_out,
    max(case when health.day > newest.day - 30 then health.max_wait_seconds end) as max_wait_seconds,
    max(case when health.day = last_day.day then health.median_wait_seconds end) as median_wait_seconds,
    max(health.last_success_at) as last_success_at,
    max(newest.day) as newest_day
from clari.pipeline_health as health
cross join newest
left join last_day
    on last_day.forecast_id = health.forecast_id and last_day.time_period_id = health.time_period_id
group by health.forecast_id, health.time_period_id
order by health.time_period_id desc, health.forecast_id;
