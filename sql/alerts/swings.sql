-- Grain: one row a swing of an export that an alert reports, the largest first: against the last sync where that
-- swings, else against a week ago. What the reports add to each is in contributions.
with reported as (
    select *
    from clari.forecast_swing
    where job_id = $job_id and is_swing and not coalesce(is_muted, false)
    qualify
        row_number() over (
            partition by time_period_id, user_id, field_id order by case when baseline = 'sync' then 0 else 1 end
        ) = 1
),

contribution as (
    select
        contribution.time_period_id, contribution.user_id, contribution.field_id, contribution.baseline,
        sum(case when kind = 'report' then cast(change_amount as decimal(38, 4)) end) as reports_change,
        sum(case when kind = 'joiner' then cast(change_amount as decimal(38, 4)) end) as joiners_change,
        sum(case when kind = 'leaver' then cast(change_amount as decimal(38, 4)) end) as leavers_change,
        count(change_amount) as added_up
    from clari.forecast_swing_contribution as contribution
    where contribution.job_id = $job_id
    group by contribution.time_period_id, contribution.user_id, contribution.field_id, contribution.baseline
)

select
    reported.forecast_id, reported.time_period_id,
    export.time_period_id as quarter_id,
    reported.user_id, reported.previous_user_id,
    coalesce(person.name, reported.user_id) as user_name,
    person.role_name, reported.field_id,
    coalesce(field.field_name, reported.field_id) as field_name,
    reported.baseline, reported.previous_value, reported.current_value, reported.change_amount, reported.change_pct,
    reported.reason, reported.threshold, reported.currency_code,
    coalesce(changer.name, reported.updated_by) as changed_by,
    reported.updated_at as changed_at,
    standing.crm_closed, standing.quota_value, standing.gap_to_quota, contribution.reports_change,
    contribution.joiners_change, contribution.leavers_change,
    case
        when contribution.user_id is not null
            then
                cast(reported.change_amount as decimal(38, 4))
                - coalesce(contribution.reports_change, 0)
                - coalesce(contribution.joiners_change, 0)
                - coalesce(contribution.leavers_change, 0)
    end as judgement_change,
    contribution.added_up, reported.job_id, export.exported_at,
    before.exported_at as previous_exported_at
from reported
inner join clari.export_job as export on export.job_id = reported.job_id
left join clari.export_job as before on before.job_id = reported.previous_job_id
left join clari.forecast_user as person
    on person.forecast_id = reported.forecast_id and person.user_id = reported.user_id
left join clari.forecast_field as field
    on field.forecast_id = reported.forecast_id and field.field_id = reported.field_id
left join clari.forecast_user as changer
    on changer.forecast_id = reported.forecast_id and changer.user_id = reported.updated_by
left join clari.forecast_vs_quota as standing
    on
        standing.forecast_id = reported.forecast_id and standing.time_period_id = reported.time_period_id
        and standing.user_id = reported.user_id and standing.field_id = reported.field_id
left join contribution
    on
        contribution.time_period_id = reported.time_period_id and contribution.user_id = reported.user_id
        and contribution.field_id = reported.field_id and contribution.baseline = reported.baseline
order by abs(reported.change_amount) desc, reported.user_id, reported.field_id;
