-- The tables of a forecast's quarter against the same, rebuilt from its landed documents.

-- name: keep_quarter, table: forecast_entry, scope: forecast_id = $forecast_id and quarter_id = $quarter_id
-- name: keep_quarter, table: forecast_entry_history, scope: forecast_id = $forecast_id and quarter_id = $quarter_id
-- name: keep_quarter, table: forecast_time_frame, scope: forecast_id = $forecast_id and quarter_id = $quarter_id
-- name: keep_quarter, table: forecast_user_sighting, scope: forecast_id = $forecast_id and quarter_id = $quarter_id
-- name: keep_quarter, table: forecast_field, scope: forecast_id = $forecast_id and (job_id in (select job.job_id from clari.export_job as job where job.forecast_id = $forecast_id and job.time_period_id = $quarter_id and job.state = 'LOADED') or not exists (select 1 from clari.export_job as job where job.job_id = forecast_field.job_id))
-- name: keep_quarter, table: time_period, scope: (job_id in (select job.job_id from clari.export_job as job where job.forecast_id = $forecast_id and job.time_period_id = $quarter_id and job.state = 'LOADED') or not exists (select 1 from clari.export_job as job where job.job_id = time_period.job_id))
-- name: keep_quarter, table: time_frame, scope: (job_id in (select job.job_id from clari.export_job as job where job.forecast_id = $forecast_id and job.time_period_id = $quarter_id and job.state = 'LOADED') or not exists (select 1 from clari.export_job as job where job.job_id = time_frame.job_id))
-- name: keep_people, table: forecast_user, scope: forecast_id = $forecast_id
-- name: keep_people, table: forecast_user_history, scope: forecast_id = $forecast_id
-- name: keep_people, table: forecast_entry_state, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_entry_state.forecast_id and job.time_period_id = forecast_entry_state.quarter_id and job.state = 'LOADED')
-- name: keep_people, table: forecast_entry_history, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_entry_history.forecast_id and job.time_period_id = forecast_entry_history.quarter_id and job.state = 'LOADED')
-- name: keep_people, table: forecast_time_frame, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_time_frame.forecast_id and job.time_period_id = forecast_time_frame.quarter_id and job.state = 'LOADED')
-- name: keep_people, table: forecast_user_sighting, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_user_sighting.forecast_id and job.time_period_id = forecast_user_sighting.quarter_id and job.state = 'LOADED')
-- The rows as they stand, before they are rebuilt. Fields, periods and weeks, which several quarters or forecasts share,
-- are those that this quarter's exports described last, and those that name no export that the ledger knows.
create or replace temp table verified_{table} as select * from clari.{table} where {scope};

-- name: forget_described, table: forecast_field, scope: forecast_id = $forecast_id and (job_id in (select job.job_id from clari.export_job as job where job.forecast_id = $forecast_id and job.time_period_id = $quarter_id and job.state = 'LOADED') or not exists (select 1 from clari.export_job as job where job.job_id = forecast_field.job_id))
-- name: forget_described, table: time_frame, scope: (job_id in (select job.job_id from clari.export_job as job where job.forecast_id = $forecast_id and job.time_period_id = $quarter_id and job.state = 'LOADED') or not exists (select 1 from clari.export_job as job where job.job_id = time_frame.job_id))
-- name: forget_orphans, table: forecast_entry_state, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_entry_state.forecast_id and job.time_period_id = forecast_entry_state.quarter_id and job.state = 'LOADED')
-- name: forget_orphans, table: forecast_entry_history, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_entry_history.forecast_id and job.time_period_id = forecast_entry_history.quarter_id and job.state = 'LOADED')
-- name: forget_orphans, table: forecast_time_frame, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_time_frame.forecast_id and job.time_period_id = forecast_time_frame.quarter_id and job.state = 'LOADED')
-- name: forget_orphans, table: forecast_user_sighting, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_user_sighting.forecast_id and job.time_period_id = forecast_user_sighting.quarter_id and job.state = 'LOADED')
-- Before the documents describe them anew; and rows of quarters that the ledger does not know as loaded.
delete from clari.{table} where {scope};

-- name: forget_periods, ours: (job_id in (select job.job_id from clari.export_job as job where job.forecast_id = $forecast_id and job.time_period_id = $quarter_id and job.state = 'LOADED') or not exists (select 1 from clari.export_job as job where job.job_id = time_period.job_id))
-- A period's row stays, as it gives documents without days the days of its quarter, and becomes older than any export
-- that describes it. Where no other forecast has described it, its days come from the documents or the settings alone.
update clari.time_period
set
    last_seen_at = timestamptz '1970-01-01 00:00:00+00',
    start_date = case when shared.is_shared then start_date end,
    end_date = case when shared.is_shared then end_date end
from (
    select count(*) > 0 as is_shared
    from clari.export_job as job
    where job.forecast_id <> $forecast_id and job.time_period_id = $quarter_id and job.state = 'LOADED'
) as shared
where {ours};

-- name: forget_undescribed, ours: (job_id in (select job.job_id from clari.export_job as job where job.forecast_id = $forecast_id and job.time_period_id = $quarter_id and job.state = 'LOADED') or not exists (select 1 from clari.export_job as job where job.job_id = time_period.job_id))
-- What no document has described leaves.
delete from clari.time_period where last_seen_at = timestamptz '1970-01-01 00:00:00+00' and {ours};

-- name: forecast_entry, table: forecast_entry, scope: forecast_id = $forecast_id and quarter_id = $quarter_id, key: time_period_id, time_frame_id, user_id, field_id, columns: forecast_value, quota_value, adjustment_value, crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, scope_id, in_latest_export, first_seen_at, changed_at, last_seen_at, exported_at, job_id
-- name: forecast_entry_history, table: forecast_entry_history, scope: forecast_id = $forecast_id and quarter_id = $quarter_id, key: time_period_id, time_frame_id, user_id, field_id, valid_from, columns: forecast_value, quota_value, adjustment_value, crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, is_present, valid_to, job_id
-- name: forecast_time_frame, table: forecast_time_frame, scope: forecast_id = $forecast_id and quarter_id = $quarter_id, key: time_period_id, time_frame_id, columns: start_date, end_date, last_seen_at, job_id
-- name: forecast_user_sighting, table: forecast_user_sighting, scope: forecast_id = $forecast_id and quarter_id = $quarter_id, key: user_id, first_seen_at, columns: name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, is_top, last_seen_at, job_id
-- name: forecast_field, table: forecast_field, scope: forecast_id = $forecast_id and (job_id in (select job.job_id from clari.export_job as job where job.forecast_id = $forecast_id and job.time_period_id = $quarter_id and job.state = 'LOADED') or not exists (select 1 from clari.export_job as job where job.job_id = forecast_field.job_id)), key: field_id, columns: field_name, field_type, last_seen_at, job_id
-- name: time_period, table: time_period, scope: (job_id in (select job.job_id from clari.export_job as job where job.forecast_id = $forecast_id and job.time_period_id = $quarter_id and job.state = 'LOADED') or not exists (select 1 from clari.export_job as job where job.job_id = time_period.job_id)), key: time_period_id, columns: quarter_id, period_type, label, year, start_date, end_date, crm_id, last_seen_at, job_id
-- name: time_frame, table: time_frame, scope: (job_id in (select job.job_id from clari.export_job as job where job.forecast_id = $forecast_id and job.time_period_id = $quarter_id and job.state = 'LOADED') or not exists (select 1 from clari.export_job as job where job.job_id = time_frame.job_id)), key: time_period_id, time_frame_id, columns: start_date, end_date, week_number, last_seen_at, job_id, quarter_id
-- name: forecast_user, table: forecast_user, scope: forecast_id = $forecast_id, key: user_id, columns: name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, is_top, in_latest_export, last_seen_at
-- name: forecast_user_history, table: forecast_user_history, scope: forecast_id = $forecast_id, key: user_id, valid_from, columns: name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, is_top, valid_to
-- name: orphan_forecast_entry_state, table: forecast_entry_state, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_entry_state.forecast_id and job.time_period_id = forecast_entry_state.quarter_id and job.state = 'LOADED'), key: quarter_id, time_period_id, time_frame_id, user_id, field_id, columns: forecast_id, forecast_value, quota_value, adjustment_value, crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, scope_id, in_latest_export, first_seen_at, changed_at, last_seen_at, exported_at, job_id
-- name: orphan_forecast_entry_history, table: forecast_entry_history, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_entry_history.forecast_id and job.time_period_id = forecast_entry_history.quarter_id and job.state = 'LOADED'), key: quarter_id, time_period_id, time_frame_id, user_id, field_id, valid_from, columns: forecast_id, forecast_value, quota_value, adjustment_value, crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, is_present, valid_to, job_id
-- name: orphan_forecast_time_frame, table: forecast_time_frame, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_time_frame.forecast_id and job.time_period_id = forecast_time_frame.quarter_id and job.state = 'LOADED'), key: quarter_id, time_period_id, time_frame_id, columns: forecast_id, start_date, end_date, last_seen_at, job_id
-- name: orphan_forecast_user_sighting, table: forecast_user_sighting, scope: (forecast_id = $forecast_id or forecast_id not in (select job.forecast_id from clari.export_job as job)) and not exists (select 1 from clari.export_job as job where job.forecast_id = forecast_user_sighting.forecast_id and job.time_period_id = forecast_user_sighting.quarter_id and job.state = 'LOADED'), key: quarter_id, user_id, first_seen_at, columns: forecast_id, name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, is_top, last_seen_at, job_id
-- Grain: one row per distinct row that the documents give more often than the table had it (times is above 0) or less
-- often (below): a changed row is two. keys_differing counts keys, of all rows, not only of those that are shown.
with differing as (
    select {key}, {columns}, sum(side) as times
    from (
        select {key}, {columns}, 1 as side from clari.{table} where {scope}
        union all
        select {key}, {columns}, -1 as side from verified_{table}
    ) as compared
    group by {key}, {columns}
    having sum(side) <> 0
),

numbered as (
    select *, case when row_number() over (partition by {key} order by times) = 1 then 1 else 0 end as is_first
    from differing
)

select
    {key}, {columns},
    cast(times as bigint) as times,
    cast(sum(is_first) over () as bigint) as keys_differing
from numbered
order by {key}, times
limit $most;

-- name: names
select user_id, name
from clari.forecast_user
where forecast_id = $forecast_id and list_contains($user_ids, user_id);

-- name: quarters
-- Grain: one row per forecast and quarter in the tables: all of its exports are, none is retired.
select forecast_id, time_period_id as quarter_id
from clari.export_job
where state in ('LOADED', 'RETIRED')
group by forecast_id, time_period_id
having count(case when state = 'RETIRED' then 1 end) = 0
order by forecast_id, time_period_id;
