-- What the calls of a manager's reports add to a swing: of those on the team in both exports how they changed, of
-- joiners all, of leavers what they took with them. Not added up, and shown apart, are calls in another currency than
-- the manager's, and those of reports who answer to several people that each make a call: they would explain the
-- change of each.
insert into clari.forecast_swing_contribution (
    forecast_id, time_period_id, user_id, field_id, baseline, job_id, report_user_id, kind, change_amount, apart,
    apart_amount, currency_code
)
with team as (
    select manager.job_id = $job_id as is_now, manager.user_id, manager.role_id, report.user_id as report_user_id
    from person_at as manager
    inner join person_at as report
        on
            report.job_id = manager.job_id
            and report.parent_role_id = manager.role_id
            and report.user_id <> manager.user_id
    where manager.job_id in ($job_id, $previous_job_id)
),

-- Under the ids of now, as the comparison has them.
renamed as (
    select distinct previous_user_id, user_id
    from clari.forecast_swing
    where job_id = $job_id and baseline = $baseline and previous_user_id is not null
),

membership as (
    select
        coalesce(manager.user_id, team.user_id) as user_id,
        coalesce(report.user_id, team.report_user_id) as report_user_id,
        bool_or(team.is_now) as is_now,
        bool_or(not team.is_now) as was_then,
        max(case when team.is_now then team.role_id end) as role_now,
        max(case when not team.is_now then team.role_id end) as role_then
    from team
    left join renamed as manager on not team.is_now and manager.previous_user_id = team.user_id
    left join renamed as report on not team.is_now and report.previous_user_id = team.report_user_id
    group by coalesce(manager.user_id, team.user_id), coalesce(report.user_id, team.report_user_id)
),

swing as (select * from clari.forecast_swing where job_id = $job_id and baseline = $baseline),

-- Roles whose call more than one person makes. Who has none is no second head: Clari recommends an integration user
-- beside whoever leads.
shared_role as (
    select person.job_id = $job_id as is_now, person.role_id, call.time_period_id, call.field_id
    from person_at as person
    left join renamed on person.job_id = $previous_job_id and renamed.previous_user_id = person.user_id
    inner join swing as call on call.user_id = coalesce(renamed.user_id, person.user_id)
    where
        person.job_id in ($job_id, $previous_job_id)
        and person.role_id is not null
        and (coalesce(call.previous_value, 0) <> 0 or coalesce(call.current_value, 0) <> 0)
    group by person.job_id, person.role_id, call.time_period_id, call.field_id
    having count(distinct call.user_id) > 1
),

contribution as (
    select
        swing.forecast_id, swing.time_period_id, swing.user_id, swing.field_id, swing.baseline, swing.job_id,
        membership.report_user_id,
        case
            when membership.is_now and membership.was_then then 'report'
            when membership.is_now then 'joiner'
            else 'leaver'
        end as kind,
        case when membership.is_now then cast(coalesce(call.current_value, 0) as decimal(20, 4)) else 0 end
        - case when membership.was_then then coalesce(call.previous_value, 0) else 0 end as change_amount,
        case
            when membership.is_now then call.currency_code
            else coalesce(call.previous_currency_code, call.currency_code)
        end as currency_code,
        membership.is_now
        and membership.was_then
        and coalesce(call.currency_code <> call.previous_currency_code, false) as has_changed_currency,
        coalesce(membership.is_now and call.currency_code <> swing.currency_code, false)
        or coalesce(
            membership.was_then and coalesce(call.previous_currency_code, call.currency_code) <> swing.currency_code,
            false
        ) as has_other_currency,
        shared_now.role_id is not null or shared_then.role_id is not null as is_shared
    from swing
    inner join membership on membership.user_id = swing.user_id
    inner join swing as call
        on
            call.user_id = membership.report_user_id
            and call.time_period_id = swing.time_period_id
            and call.field_id = swing.field_id
    left join shared_role as shared_now
        on
            shared_now.is_now
            and shared_now.role_id = membership.role_now
            and shared_now.time_period_id = swing.time_period_id
            and shared_now.field_id = swing.field_id
    left join shared_role as shared_then
        on
            not shared_then.is_now
            and shared_then.role_id = membership.role_then
            and shared_then.time_period_id = swing.time_period_id
            and shared_then.field_id = swing.field_id
    where swing.is_swing
)

select
    forecast_id, time_period_id, user_id, field_id, baseline, job_id, report_user_id, kind,
    -- Null where the column cannot hold it.
    case
        when not has_other_currency and not is_shared and abs(change_amount) < 100000000000000
            then cast(change_amount as decimal(18, 4))
    end as change_amount,
    case when has_other_currency then 'other_currency' when is_shared then 'shared' end as apart,
    case
        when
            (has_other_currency or is_shared) and not has_changed_currency and abs(change_amount) < 100000000000000
            then cast(change_amount as decimal(18, 4))
    end as apart_amount,
    currency_code
from contribution;
