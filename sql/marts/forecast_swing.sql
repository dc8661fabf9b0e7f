-- Two exports of a forecast's quarter compared, call by call, from forecast_call.
insert into clari.forecast_swing (
    forecast_id, time_period_id, user_id, field_id, baseline, previous_value, current_value, change_amount, change_pct,
    is_swing, reason, threshold, time_frame_id, previous_time_frame_id, currency_code, previous_job_id, job_id,
    detected_at, previous_user_id, min_amount, is_muted, updated_by, updated_at, previous_currency_code,
    user_name, field_name
)
with exports as (
    select
        now.exported_at, now.loaded_at,
        now.scope_id is distinct from before.scope_id
        or now.currency is distinct from before.currency
        -- One of the two came without a job: it may have brought what exports refuse, which is no part of a call. Types
        -- are sorted: something comes after those of the CRM.
        or case
            when now.source = before.source then now.types_to_export is distinct from before.types_to_export
            else
                replace(replace(now.types_to_export, 'crm_closed,', ''), 'crm_total,', '')
                is distinct from replace(replace(before.types_to_export, 'crm_closed,', ''), 'crm_total,', '')
        end as has_other_request,
        $exported_on > coalesce(quarter.end_date, $quarter_end) + 3 as is_restated
    from clari.export_job as now
    inner join clari.export_job as before on before.job_id = $previous_job_id
    left join clari.time_period as quarter on quarter.time_period_id = now.time_period_id
    where now.job_id = $job_id
),

-- One CRM person whose user id has vanished and who stands under a new one.
same_person as (
    select before.user_id as previous_user_id, min(now.user_id) as user_id
    from person_at as before
    inner join person_at as now on now.crm_user_id = before.crm_user_id
    where
        before.job_id = $previous_job_id
        and now.job_id = $job_id
        and before.crm_user_id <> ''
        and before.user_id not in (select seen.user_id from forecast_call as seen where seen.job_id = $job_id and seen.is_present)
        and now.user_id not in (
            select seen.user_id from forecast_call as seen where seen.job_id = $previous_job_id and seen.is_present
        )
    group by before.user_id, before.crm_user_id
    having count(*) = 1
    qualify count(*) over (partition by before.crm_user_id) = 1
),

call_before as (
    select
        call.time_period_id,
        coalesce(same_person.user_id, call.user_id) as user_id,
        call.user_id as previous_user_id,
        call.time_frame_id, call.field_id, call.call_value, call.currency_code, call.quota_value, call.updated_at
    from forecast_call as call
    left join same_person on same_person.previous_user_id = call.user_id
    where call.job_id = $previous_job_id and call.is_present
),

compared as (
    select
        coalesce(now.time_period_id, before.time_period_id) as time_period_id,
        coalesce(now.user_id, before.user_id) as user_id,
        nullif(before.previous_user_id, before.user_id) as previous_user_id,
        coalesce(now.field_id, before.field_id) as field_id,
        now.time_frame_id,
        before.time_frame_id as previous_time_frame_id,
        max(now.time_frame_id) over (partition by coalesce(now.time_period_id, before.time_period_id)) as call_time_frame_id,
        before.call_value as previous_value,
        now.call_value as current_value,
        cast(now.call_value as decimal(20, 4)) - before.call_value as change_amount,
        before.user_id is null as is_new,
        now.user_id is null as is_gone,
        now.is_submitted,
        coalesce(now.quota_value, before.quota_value) as quota_value,
        coalesce(now.currency_code, before.currency_code) as currency_code,
        now.currency_code <> before.currency_code as has_other_currency,
        -- A call that was written before the one of then stands again: an override was taken back, nobody knows by whom.
        case when coalesce(now.updated_at >= before.updated_at, true) then now.updated_by end as updated_by,
        case when coalesce(now.updated_at >= before.updated_at, true) then now.updated_at end as updated_at,
        before.currency_code as previous_currency_code
    from (select * from forecast_call where job_id = $job_id and is_present) as now
    full join call_before as before using (time_period_id, user_id, field_id)
),

-- Who they are, and whether anybody reports to them.
report as (
    select job_id, parent_role_id, min(user_id) as first_user_id, max(user_id) as last_user_id
    from person_at
    group by job_id, parent_role_id
),

person as (
    select
        shown.*,
        shown.role_id is not null
        and not coalesce(report.first_user_id <> shown.user_id or report.last_user_id <> shown.user_id, false) as is_rep
    from person_at as shown
    left join report on report.job_id = shown.job_id and report.parent_role_id = shown.role_id
    where shown.job_id in ($job_id, $previous_job_id)
    qualify row_number() over (partition by shown.user_id order by shown.job_id = $job_id desc) = 1
),

-- The most particular rule that says something, for each bound by itself; no two rules have the same rank.
foremost as (
    select
        compared.time_period_id, compared.user_id, compared.field_id,
        bool_or(person.is_rep) as is_rep,
        max(person.name) as user_name,
        max(field.field_name) as field_name,
        max(case when rule.threshold is not null then rule.rank end) as of_threshold,
        max(case when rule.min_amount is not null then rule.rank end) as of_amount,
        max(case when rule.min_share_of_quota is not null then rule.rank end) as of_share,
        max(case when rule.is_alerted is not null then rule.rank end) as of_alert,
        max(case when rule.muted_in_weeks is not null then rule.rank end) as of_weeks
    from compared
    left join person on person.user_id = compared.user_id
    left join clari.forecast_field as field
        on field.forecast_id = $forecast_id and field.field_id = compared.field_id
    left join swing_rule as rule
        on
            (rule.field is null or rule.field = compared.field_id or lower(rule.field) = lower(field.field_name))
            and (rule.role is null or rule.role = person.role_id or lower(rule.role) = lower(person.role_name))
            and (
                rule.person is null
                or rule.person = compared.user_id
                or lower(rule.person) in (lower(person.email), lower(person.name))
            )
    group by compared.time_period_id, compared.user_id, compared.field_id
),

ruled as (
    select
        compared.*, foremost.is_rep, foremost.user_name, foremost.field_name,
        cast(coalesce(by_threshold.threshold, $threshold) as decimal(9, 6)) as threshold,
        cast(coalesce(by_amount.min_amount, $min_amount) as decimal(18, 4)) as least_amount,
        cast(abs(compared.quota_value) as decimal(28, 4))
        * cast(coalesce(by_share.min_share_of_quota, $min_share) as decimal(9, 6)) as share_of_quota,
        by_alert.is_alerted, by_weeks.muted_in_weeks
    from compared
    inner join foremost using (time_period_id, user_id, field_id)
    left join swing_rule as by_threshold on by_threshold.rank = foremost.of_threshold
    left join swing_rule as by_amount on by_amount.rank = foremost.of_amount
    left join swing_rule as by_share on by_share.rank = foremost.of_share
    left join swing_rule as by_alert on by_alert.rank = foremost.of_alert
    left join swing_rule as by_weeks on by_weeks.rank = foremost.of_weeks
),

bounded as (
    select
        ruled.*,
        -- A share that no amount can hold is no bound.
        greatest(
            least_amount,
            case when share_of_quota < 99999999999999.99995 then cast(share_of_quota as decimal(18, 4)) else 0 end
        ) as min_amount,
        not coalesce(
            ruled.is_alerted,
            $every_field
            or list_contains($fields, lower(ruled.field_id))
            or list_contains($fields, lower(field.field_name)),
            true
        )
        or list_contains(
            coalesce(ruled.muted_in_weeks, case when ruled.is_rep then cast($rep_mutes as integer []) end),
            week.week_number
        ) as is_muted
    from ruled
    left join clari.forecast_field as field
        on field.forecast_id = $forecast_id and field.field_id = ruled.field_id
    left join forecast_week as week
        on week.time_period_id = ruled.time_period_id and week.time_frame_id = ruled.call_time_frame_id
),

-- Decimal arithmetic: DuckDB's division would make a binary fraction of money.
reasoned as (
    select
        bounded.*, exports.*,
        case
            when coalesce(has_other_currency, false) then 'currency_changed'
            when has_other_request then 'request_changed'
            when is_restated then 'restated'
            when is_new then 'new'
            when is_gone then 'disappeared'
            when previous_value is null or current_value is null or not is_submitted then 'not_submitted'
            when previous_value = 0 and current_value <> 0 then 'from_zero'
            when previous_value <> 0 and current_value = 0 then 'to_zero'
            when sign(previous_value) * sign(current_value) < 0 then 'sign_flip'
            when abs(change_amount) > cast(abs(previous_value) as decimal(28, 4)) * threshold then 'above_threshold'
        end as reason
    from bounded
    cross join exports
)

select
    $forecast_id as forecast_id,
    time_period_id, user_id, field_id,
    $baseline as baseline,
    previous_value, current_value,
    -- Null where the column cannot hold it (a flip between the largest amounts); is_swing knows all the same. Between two
    -- currencies there is no change to tell.
    case
        when not coalesce(has_other_currency, false) and abs(change_amount) < 100000000000000
            then cast(change_amount as decimal(18, 4))
    end as change_amount,
    case when not coalesce(has_other_currency, false) then clari.fraction(change_amount, abs(previous_value)) end as change_pct,
    coalesce(
        reason in ('from_zero', 'to_zero', 'sign_flip', 'above_threshold')
        and abs(change_amount) >= min_amount,
        false
    ) as is_swing,
    reason,
    cast(threshold as decimal(18, 6)) as threshold,
    time_frame_id, previous_time_frame_id, currency_code,
    $previous_job_id as previous_job_id,
    $job_id as job_id,
    loaded_at as detected_at,
    previous_user_id, min_amount,
    coalesce(is_muted, false) as is_muted,
    updated_by, updated_at, previous_currency_code, user_name, field_name
from reasoned;
