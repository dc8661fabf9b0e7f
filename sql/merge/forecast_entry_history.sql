-- A version a change: the open one is closed, the new one opened. After forecast_entry, from what it has become.
create or replace temp table entry_versioned as
select entry.time_period_id, entry.time_frame_id, entry.user_id, entry.field_id, true as is_present
from stage_entry as entry
inner join entry_change as change on change.entry_no = entry.entry_no and change.change = 'UPDATE'
union all
select time_period_id, time_frame_id, user_id, field_id, false
from entry_gone;

update clari.forecast_entry_history as version
set valid_to = $exported_at
from entry_versioned as changed
where
    version.valid_to is null
    and version.forecast_id = $forecast_id
    and version.time_period_id = changed.time_period_id
    and version.time_frame_id = changed.time_frame_id
    and version.user_id = changed.user_id
    and version.field_id = changed.field_id;

-- Two exports as of the same moment: the one submitted later stands, the other leaves no version of no length.
delete from clari.forecast_entry_history
where forecast_id = $forecast_id and valid_from = $exported_at and valid_to = $exported_at;

insert into clari.forecast_entry_history (
    forecast_id, time_period_id, time_frame_id, user_id, field_id, forecast_value, quota_value, adjustment_value,
    crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, is_present,
    valid_from, valid_to, job_id
)
select
    entry.forecast_id, entry.time_period_id, entry.time_frame_id, entry.user_id, entry.field_id, entry.forecast_value,
    entry.quota_value, entry.adjustment_value, entry.crm_total, entry.crm_closed, entry.currency_code, entry.is_updated,
    entry.updated_by, entry.updated_at, entry.adjusted_by, entry.adjusted_at, changed.is_present, $exported_at,
    cast(null as timestamptz),
    $job_id
from clari.forecast_entry_state as entry
inner join entry_versioned as changed using (time_period_id, time_frame_id, user_id, field_id)
where entry.forecast_id = $forecast_id
union all
select
    $forecast_id, time_period_id, time_frame_id, user_id, field_id,
    case when $has_forecast then forecast_value end,
    case when $has_quota then quota_value end,
    case when $has_adjustment then adjustment_value end,
    case when $has_crm_total then crm_total end,
    case when $has_crm_closed then crm_closed end,
    currency_code,
    case when $has_forecast_updated then is_updated end,
    case when $has_forecast_updated then updated_by end,
    case when $has_forecast_updated then updated_at end,
    case when $has_adjustment then adjusted_by end,
    case when $has_adjustment then adjusted_at end,
    true, $exported_at, null, $job_id
from stage_entry
where
    exists (select 1 from entry_counted where rows_staged > rows_known)
    and not exists (select 1 from entry_change as change where change.entry_no = stage_entry.entry_no);
