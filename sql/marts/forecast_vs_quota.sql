-- The calls of the newest loaded export of a forecast's quarter, beside what they stand against. People whom
-- exports no longer show are in it too: forecast_call holds them, with is_present false.
-- A period that is over, as its weeks are, is in its last, with none to go: a document may list the weeks so far alone.
insert into clari.forecast_vs_quota (
    forecast_id, time_period_id, user_id, field_id, forecast_value, adjustment_value, quota_value, crm_closed,
    crm_total, attainment_pct, forecast_to_quota_pct, gap_to_quota, currency_code, user_name, role_name,
    parent_role_name, is_top, field_name, week_number, weeks_to_end, is_submitted, in_latest_export, as_of
)
with period_over as (
    select week.time_period_id, max(week.week_number) as week_number
    from forecast_week as week
    inner join clari.time_period as period on period.time_period_id = week.time_period_id
    group by week.time_period_id
    having max(week.end_date) < $today and coalesce(max(period.end_date) < $today, true)
),

seen as (
    select time_period_id, user_id, field_id, max(last_seen_at) as as_of
    from clari.forecast_entry
    where
        forecast_id = $forecast_id
        and time_period_id in (select period.time_period_id from clari.time_period as period where period.quarter_id = $quarter_id)
    group by time_period_id, user_id, field_id
),

-- The one whose row is the total; where several stand at the top and none is named there is none. People are those of
-- this quarter's exports, as shown last: last year's figures belong to last year's team.
head as (
    select user_id, count(*) over () as heads
    from person_shown
    where is_top and is_shown and (cast($top_user as varchar) is null or $top_user in (user_id, email, name))
)

select
    $forecast_id as forecast_id,
    call.time_period_id, call.user_id, call.field_id,
    call.call_value as forecast_value,
    call.adjustment_value, call.quota_value, call.crm_closed, call.crm_total,
    clari.fraction(call.crm_closed, call.quota_value) as attainment_pct,
    clari.fraction(call.call_value, call.quota_value) as forecast_to_quota_pct,
    case
        when abs(cast(call.quota_value as decimal(20, 4)) - call.crm_closed) < 100000000000000
            then cast(cast(call.quota_value as decimal(20, 4)) - call.crm_closed as decimal(18, 4))
    end as gap_to_quota,
    call.currency_code,
    person.name as user_name,
    person.role_name, person.parent_role_name,
    call.user_id in (select head.user_id from head where head.heads = 1) as is_top,
    field.field_name,
    coalesce(period_over.week_number, call_week.week_number) as week_number,
    case when period_over.week_number is null then call_week.weeks_to_end else 0 end as weeks_to_end,
    call.is_submitted,
    call.is_present as in_latest_export,
    seen.as_of
from forecast_call as call
inner join seen using (time_period_id, user_id, field_id)
left join forecast_week as call_week using (time_period_id, time_frame_id)
left join period_over on period_over.time_period_id = call.time_period_id
left join week_person as person on person.user_id = call.user_id
left join clari.forecast_field as field on field.forecast_id = $forecast_id and field.field_id = call.field_id
where call.job_id = $job_id;
