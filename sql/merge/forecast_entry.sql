-- The newest known values, from entry_change, entry_unshown and entry_gone. What the document shows was seen by it.
update clari.forecast_entry as known
set last_seen_at = $exported_at, exported_at = $exported_at, job_id = $job_id
where
    known.forecast_id = $forecast_id
    and known.time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and not exists (
        select 1
        from entry_unshown as unshown
        where
            unshown.time_period_id = known.time_period_id
            and unshown.time_frame_id = known.time_frame_id
            and unshown.user_id = known.user_id
            and unshown.field_id = known.field_id
    );

-- A measure that the export did not ask for keeps its value.
update clari.forecast_entry as known
set
    forecast_value = case when $has_forecast then entry.forecast_value else known.forecast_value end,
    quota_value = case when $has_quota then entry.quota_value else known.quota_value end,
    adjustment_value = case when $has_adjustment then entry.adjustment_value else known.adjustment_value end,
    crm_total = case when $has_crm_total then entry.crm_total else known.crm_total end,
    crm_closed = case when $has_crm_closed then entry.crm_closed else known.crm_closed end,
    currency_code = coalesce(entry.currency_code, known.currency_code),
    is_updated = case when $has_forecast_updated then entry.is_updated else known.is_updated end,
    updated_by = case when $has_forecast_updated then entry.updated_by else known.updated_by end,
    updated_at = case when $has_forecast_updated then entry.updated_at else known.updated_at end,
    adjusted_by = case when $has_adjustment then entry.adjusted_by else known.adjusted_by end,
    adjusted_at = case when $has_adjustment then entry.adjusted_at else known.adjusted_at end,
    changed_at = case when change.has_changed then $exported_at else known.changed_at end,
    scope_id = entry.scope_id,
    in_latest_export = true
from stage_entry as entry
inner join entry_change as change on change.entry_no = entry.entry_no and change.is_written
where
    known.forecast_id = $forecast_id
    and known.time_period_id = entry.time_period_id
    and known.time_frame_id = entry.time_frame_id
    and known.user_id = entry.user_id
    and known.field_id = entry.field_id;

update clari.forecast_entry as known
set in_latest_export = false
from entry_gone as gone
where
    known.forecast_id = $forecast_id
    and known.time_period_id = gone.time_period_id
    and known.time_frame_id = gone.time_frame_id
    and known.user_id = gone.user_id
    and known.field_id = gone.field_id;

insert into clari.forecast_entry (
    forecast_id,
    time_period_id,
    time_frame_id,
    user_id,
    field_id,
    forecast_value,
    quota_value,
    adjustment_value,
    crm_total,
    crm_closed,
    currency_code,
    is_updated,
    updated_by,
    updated_at,
    adjusted_by,
    adjusted_at,
    scope_id,
    in_latest_export,
    first_seen_at,
    changed_at,
    last_seen_at,
    exported_at,
    job_id
)
select
    $forecast_id,
    time_period_id,
    time_frame_id,
    user_id,
    field_id,
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
    scope_id,
    true,
    $exported_at,
    $exported_at,
    $exported_at,
    $exported_at,
    $job_id
from stage_entry
where
    exists (select 1 from entry_counted where rows_staged > rows_known)
    and not exists (select 1 from entry_change as change where change.entry_no = stage_entry.entry_no);
