-- What the board shows.

-- name: accuracy
-- Grain: one row per forecast, finished period, forecast field and person, as many as are shown: how near the calls came to
-- what closed. The one at the top first, then who closed most.
with person as (
    select
        *,
        row_number() over (
            partition by forecast_id, time_period_id, field_id, user_id order by week_number desc, time_frame_id desc
        ) as newest
    from clari.forecast_accuracy
),

placed as (
    select
        forecast_id, time_period_id, field_id, user_id,
        coalesce(user_name, user_id) as user_name,
        role_name, is_top, is_provisional, call_value, actual_value, wape, bias, weeks_compared, weeks_backfilled,
        currency_code,
        row_number() over (
            partition by forecast_id, time_period_id, field_id
            order by case when is_top then 0 else 1 end, abs(coalesce(actual_value, 0)) desc, user_name, user_id
        ) as place,
        count(*) over (partition by forecast_id, time_period_id, field_id) as people
    from person
    where newest = 1
)

select *
from placed
where place <= $most
order by forecast_id, time_period_id, field_id, place;

-- name: coverage
-- Grain: one row per forecast, period and forecast field: the open pipeline of the one at the top, in the newest week.
with placed as (
    select
        *,
        row_number() over (
            partition by forecast_id, time_period_id, field_id order by week_number desc, time_frame_id desc
        ) as newest
    from clari.pipeline_coverage
    where is_top
)

select forecast_id, time_period_id, field_id, open_pipeline, left_to_quota, coverage_ratio, currency_code
from placed
where newest = 1;

-- name: health
-- Grain: as pipeline_health_month; the median wait of a quarter is that of the newest day on which any was waited for.
with newest_wait as (
    select forecast_id, time_period_id, median_wait_seconds
    from clari.pipeline_health
    where median_wait_seconds is not null
    qualify row_number() over (partition by forecast_id, time_period_id order by day desc) = 1
)

select health.*, newest_wait.median_wait_seconds
from clari.pipeline_health_month as health
left join newest_wait using (forecast_id, time_period_id)
order by health.time_period_id desc nulls first, health.forecast_id;

-- name: movement
-- Grain: one row per forecast, period, forecast field and week: how the call of the one at the top moved.
select
    forecast_id, time_period_id, field_id, week_number, week_start_date, week_end_date, user_name, is_week_over,
    is_backfilled, start_value, raised_amount, lowered_amount, new_amount, gone_amount, judgement_amount, end_value,
    change_amount, reports, reports_apart, start_currency_code, currency_code
from clari.forecast_movement
where is_top
order by forecast_id, time_period_id, field_id, week_number desc;

-- name: pacing
-- Grain: one row per forecast, period, forecast field and week: what had closed of the quota of the one at the top.
select
    forecast_id, time_period_id, field_id, week_number, weeks_to_end, is_week_over, is_backfilled, crm_closed,
    quota_value, attainment_pct, closed_to_final_pct, previous_period_id, year_ago_period_id, currency_code
from clari.attainment_pacing
where is_top
order by forecast_id, time_period_id, field_id, week_number;

-- name: quota
-- What Clari said last of the exports that are left.
select read_at, monthly_quota, available_monthly_quota
from clari.export_quota
where available_monthly_quota is not null
order by read_at desc
limit 1;

-- name: views
-- Grain: one row per forecast, period and forecast field that people look at, the newest period first, and the export that
-- its figures are of. Current: that export is of one of the period's days.
with zone as (select coalesce(max(time_zone), 'UTC') as time_zone from clari.organisation)

select
    stand.forecast_id, stand.time_period_id,
    coalesce(period.quarter_id, stand.time_period_id) as quarter_id,
    period.label, period.start_date, period.end_date, stand.field_id,
    max(stand.field_name) as field_name,
    count(*) as people,
    max(stand.as_of) as as_of,
    coalesce(
        cast(max(stand.as_of) at time zone zone.time_zone as date) between period.start_date and period.end_date, false
    ) as is_current
from clari.forecast_vs_quota as stand
left join clari.time_period as period on period.time_period_id = stand.time_period_id
cross join zone
group by
    stand.forecast_id, stand.time_period_id,
    coalesce(period.quarter_id, stand.time_period_id),
    period.label, period.start_date, period.end_date, stand.field_id, zone.time_zone
order by
    period.end_date desc nulls last,
    period.start_date,
    stand.time_period_id desc,
    stand.forecast_id,
    max(stand.field_name),
    stand.field_id;

-- name: submission
-- Grain: one row per forecast, period, forecast field and person, as many as are shown, of whose call of the newest week
-- something is to be said: it was not submitted, somebody has replaced it, or it is below what has closed.
with latest as (
    select forecast_id, time_period_id, max(week_number) as week_number
    from clari.call_submission
    group by forecast_id, time_period_id
),

placed as (
    select
        week.forecast_id, week.time_period_id, week.field_id,
        coalesce(week.user_name, week.user_id) as user_name,
        week.role_name, week.week_number, week.week_start_date, week.week_end_date, week.is_submitted,
        week.is_overridden, week.override_value,
        coalesce(manager.name, week.overridden_by) as overridden_by,
        week.is_below_closed, week.call_value, week.crm_closed, week.currency_code,
        row_number() over (
            partition by week.forecast_id, week.time_period_id, week.field_id
            order by
                case when week.is_below_closed then 0 when not week.is_submitted then 1 else 2 end,
                abs(coalesce(week.call_value, 0)) desc,
                week.user_name, week.user_id
        ) as place,
        count(*) over (partition by week.forecast_id, week.time_period_id, week.field_id) as people
    from clari.call_submission as week
    inner join latest using (forecast_id, time_period_id, week_number)
    left join clari.forecast_user as manager
        on manager.forecast_id = week.forecast_id and manager.user_id = week.overridden_by
    where not week.is_submitted or week.is_overridden or week.is_below_closed
)

select *
from placed
where place <= $most
order by forecast_id, time_period_id, field_id, place;
