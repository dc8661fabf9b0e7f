-- Alerts: the exports that they are made of, the outbox, and what a message says.

-- name: requeued
-- Requeue an alert for every channel.
delete from clari.alert_delivery where alert_key = $alert_key;

update clari.alert set sent_at = null where alert_key = $alert_key;

-- name: contributions
-- Grain: one row per swing of an export and report: what the report's call adds to it, the largest first; what cannot be
-- added up stands apart.
select
    contribution.time_period_id, contribution.user_id, contribution.field_id, contribution.baseline,
    coalesce(report.name, contribution.report_user_id) as user_name,
    contribution.change_amount, contribution.apart, contribution.apart_amount, contribution.currency_code
from clari.forecast_swing_contribution as contribution
left join clari.forecast_user as report
    on report.forecast_id = contribution.forecast_id and report.user_id = contribution.report_user_id
where
    contribution.job_id = $job_id
    and (contribution.change_amount <> 0 or (contribution.apart is not null and contribution.apart_amount is distinct from 0))
order by
    contribution.apart desc,
    abs(coalesce(contribution.apart_amount, contribution.change_amount)) desc,
    contribution.report_user_id;

-- name: delivered
insert into clari.alert_delivery (alert_key, channel_id, delivered_at) values ($alert_key, $channel_id, $delivered_at);

-- name: deliveries
select alert_key, channel_id from clari.alert_delivery where list_contains($alert_keys, alert_key);

-- name: failed_runs
-- Runs of which it is written down that they, or an export of theirs, failed; that a run found others killed says
-- nothing of itself.
select distinct run_id
from clari.alert
where
    list_contains($run_ids, run_id)
    and kind in ('run_failed', 'export_failed')
    and alert_class <> 'run_failed killed';

-- name: headline
-- The top call of a forecast's quarter, and what it was a week ago, or else at the last sync.
select
    standing.field_name,
    standing.forecast_value as call,
    -- A call without a row has not moved.
    case
        when swing.job_id is not null then swing.change_amount
        when comparison.job_id is not null then cast(0 as decimal(18, 4))
    end as change,
    coalesce(comparison.baseline, 'sync') as baseline,
    standing.forecast_to_quota_pct as call_to_quota,
    standing.weeks_to_end as weeks_left,
    standing.currency_code, export.exported_at,
    before.exported_at as previous_exported_at
from clari.export_job as export
left join clari.forecast_vs_quota as standing
    on
        standing.forecast_id = export.forecast_id
        and standing.time_period_id = $time_period_id
        and standing.field_id = $field_id
        and standing.is_top
left join clari.forecast_swing_summary as comparison
    on
        comparison.job_id = export.job_id
        and comparison.time_period_id = standing.time_period_id
        and comparison.field_id = standing.field_id
left join clari.forecast_swing as swing
    on
        swing.job_id = comparison.job_id and swing.baseline = comparison.baseline
        and swing.time_period_id = standing.time_period_id and swing.user_id = standing.user_id
        and swing.field_id = standing.field_id
left join clari.export_job as before on before.job_id = comparison.previous_job_id
where export.job_id = $job_id
order by case when comparison.baseline = 'week' then 0 else 1 end
limit 1;

-- name: moved_people
-- Who is new in an export, and who is gone, since the export before.
select distinct coalesce(person.name, swing.user_id) as user_name, swing.reason
from clari.forecast_swing as swing
left join clari.forecast_user as person using (forecast_id, user_id)
where
    swing.job_id = $job_id
    and swing.baseline = 'sync'
    and swing.reason in ('new', 'disappeared')
    and not exists (
        select 1
        from clari.forecast_swing as other
        where
            other.job_id = swing.job_id and other.baseline = swing.baseline and other.user_id = swing.user_id
            and coalesce(other.reason, '') <> swing.reason
    )
    -- Once a newer comparison is there, a call that did not move has no row: what was known then says that it was there.
    and not exists (
        select 1
        from clari.forecast_entry_version as known
        inner join clari.forecast_swing_summary as comparison using (time_period_id, field_id)
        inner join clari.export_job as export
            on export.job_id = comparison.job_id or export.job_id = comparison.previous_job_id
        where
            export.job_id = case when swing.reason = 'new' then swing.previous_job_id else swing.job_id end
            and comparison.job_id = swing.job_id and comparison.baseline = swing.baseline
            and known.forecast_id = swing.forecast_id and known.user_id = swing.user_id
            and known.is_present
            and known.valid_from <= export.exported_at
            and known.valid_until > export.exported_at
    )
order by user_name;

-- name: newest
-- The newest alerts, for people.
select alert_key, alert_class, kind, severity, title, body, created_at, sent_at, attempts, last_error
from clari.alert
order by created_at desc, alert_key
limit $most;

-- name: newest_of_class
select * from clari.alert where alert_class = $alert_class order by created_at desc, alert_key desc limit 1;

-- name: raised
-- An alert is written down before it is sent, each occurrence once.
insert into clari.alert (alert_key, alert_class, kind, severity, title, body, created_at, run_id, detail)
select $alert_key, $alert_class, $kind, $severity, $title, $body, $created_at, $run_id, $detail
where not exists (select 1 from clari.alert where alert_key = $alert_key);

-- name: stale
-- Quarters that were loaded and have gone stale: the newest export is older than the freshness policy allows. The newest
-- week, brought without a job, makes no quarter fresh: its earlier weeks are as old as they were.
select forecast_id, time_period_id as quarter_id, max(exported_at) as exported_at
from clari.export_job
where
    state = 'LOADED'
    and source = 'EXPORT'
    and job_id not like 'document-%'
    and list_contains($quarters, time_period_id)
    and ($every_forecast or list_contains($forecasts, forecast_id))
group by forecast_id, time_period_id
having max(exported_at) < $not_before
order by quarter_id desc, forecast_id;

-- name: exports_reviewed
update clari.export_job set told_at = $at where told_at is null and list_contains($request_ids, request_id);

-- name: attempted
-- An attempt to send an alert; it is sent once every channel has taken it.
update clari.alert
set attempts = attempts + 1, last_error = $last_error, sent_at = case when $is_sent then $at else sent_at end
where alert_key = $alert_key;

-- name: pending
-- Alerts that some channel has not taken yet, the oldest first; old ones only if they are named: they are not sent late.
select *
from clari.alert
where sent_at is null and (created_at > $not_before or list_contains($alert_keys, alert_key))
order by created_at, alert_key;

-- name: exports_pending
-- Exports whose swings, or whose refusal, were not reviewed for alerts yet, the oldest first; without documents from
-- elsewhere.
select request_id
from clari.export_job
where state in ('LOADED', 'REFUSED') and told_at is null and submitted_at > $not_before and job_id not like 'document-%'
order by exported_at, submitted_at, request_id;

-- name: swings
-- Grain: one row per swing of an export that an alert reports, the largest first: against the last sync where that
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
left join clari.forecast_user as person using (forecast_id, user_id)
left join clari.forecast_field as field using (forecast_id, field_id)
left join clari.forecast_vs_quota as standing using (forecast_id, time_period_id, user_id, field_id)
left join contribution using (time_period_id, user_id, field_id, baseline)
left join clari.forecast_user as changer
    on changer.forecast_id = reported.forecast_id and changer.user_id = reported.updated_by
inner join clari.export_job as export on export.job_id = reported.job_id
left join clari.export_job as before on before.job_id = reported.previous_job_id
order by abs(reported.change_amount) desc, reported.user_id, reported.field_id;
