-- What the calls of a manager's reports add to a swing: of those on the team in both exports how they changed, of
-- joiners all, of leavers what they took with them.
insert into clari.forecast_swing_contribution
with team as (
    select
        manager.job_id = $job_id as is_now,
        manager.user_id,
        report.user_id as report_user_id
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
        bool_or(not team.is_now) as was_then
    from team
    left join renamed as manager on not team.is_now and manager.previous_user_id = team.user_id
    left join renamed as report on not team.is_now and report.previous_user_id = team.report_user_id
    group by all
),

swing as (
    select * from clari.forecast_swing where job_id = $job_id and baseline = $baseline
)

select
    swing.forecast_id,
    swing.time_period_id,
    swing.user_id,
    swing.field_id,
    swing.baseline,
    swing.job_id,
    membership.report_user_id,
    case
        when membership.is_now and membership.was_then then 'report'
        when membership.is_now then 'joiner'
        else 'leaver'
    end as kind,
    try_cast(
        case when membership.is_now then cast(coalesce(call.current_value, 0) as decimal(20, 4)) else 0 end
        - case when membership.was_then then coalesce(call.previous_value, 0) else 0 end as decimal(18, 4)
    ) as change_amount
from swing
inner join membership on membership.user_id = swing.user_id
inner join swing as call
    on
        call.user_id = membership.report_user_id
        and call.time_period_id = swing.time_period_id
        and call.field_id = swing.field_id
where swing.is_swing;
