-- version: 2, words: 2-211a1eb9
create or replace view clari.pipeline_health_month as
with newest as (
    select max(day) as day
    from clari.pipeline_health
),

-- Each day once as its quarter's, once as all's.
counted as (
    select health.*, health.forecast_id as of_forecast, health.time_period_id as of_quarter
    from clari.pipeline_health as health
    union all
    select health.*, null, null
    from clari.pipeline_health as health
),

within as (
    select
        counted.of_forecast, counted.of_quarter, counted.last_success_at,
        counted.day as any_day,
        newest.day as newest_day,
        case when counted.day > newest.day - 30 then counted.day end as day,
        case when counted.day > newest.day - 30 then counted.jobs_submitted else 0 end as jobs_submitted,
        case when counted.day > newest.day - 30 then counted.jobs_completed else 0 end as jobs_completed,
        case when counted.day > newest.day - 30 then counted.jobs_refused else 0 end as jobs_refused,
        case when counted.day > newest.day - 30 then counted.jobs_failed else 0 end as jobs_failed,
        case when counted.day > newest.day - 30 then counted.jobs_timed_out else 0 end as jobs_timed_out,
        case when counted.day > newest.day - 30 then counted.max_wait_seconds end as max_wait_seconds
    from counted
    cross join newest
)

select
    of_forecast as forecast_id,
    of_quarter as time_period_id,
    cast(max(newest_day) - 29 as date) as first_day,
    cast(max(newest_day) as date) as last_day,
    cast(sum(jobs_submitted) as bigint) as jobs_submitted,
    cast(sum(jobs_completed) as bigint) as jobs_completed,
    cast(sum(jobs_refused) as bigint) as jobs_refused,
    cast(sum(jobs_failed) as bigint) as jobs_failed,
    cast(sum(jobs_timed_out) as bigint) as jobs_timed_out,
    cast(
        clari.fraction(sum(jobs_completed), sum(jobs_completed + jobs_refused + jobs_failed + jobs_timed_out)) as decimal(18, 6)
    ) as completion_rate,
    cast(max(max_wait_seconds) as decimal(18, 3)) as max_wait_seconds,
    max(last_success_at) as last_success_at
from within
group by of_forecast, of_quarter;

comment on view clari.pipeline_health_month is 'One row per forecast and quarter, and one (both null) of all: how the exports of the newest thirty days went';
comment on column clari.pipeline_health_month.forecast_id is 'Clari''s forecast (the tab); null in the row of all';
comment on column clari.pipeline_health_month.time_period_id is 'The quarter asked for; null in the row of all';
comment on column clari.pipeline_health_month.first_day is 'The first of the thirty days (of submission, in CLARI_ORG_TIMEZONE)';
comment on column clari.pipeline_health_month.last_day is 'The last of them: the newest day on which anything was asked for';
comment on column clari.pipeline_health_month.jobs_submitted is 'Exports that Clari accepted in the thirty days';
comment on column clari.pipeline_health_month.jobs_completed is 'Exports that were merged';
comment on column clari.pipeline_health_month.jobs_refused is 'Documents that were not good enough';
comment on column clari.pipeline_health_month.jobs_failed is 'Exports that brought no document';
comment on column clari.pipeline_health_month.jobs_timed_out is 'Exports that took too long';
comment on column clari.pipeline_health_month.completion_rate is 'jobs_completed / all exports that have ended, a fraction; null where none has';
comment on column clari.pipeline_health_month.max_wait_seconds is 'Largest wait at Clari';
comment on column clari.pipeline_health_month.last_success_at is 'When an export was last merged, on whatever day';
