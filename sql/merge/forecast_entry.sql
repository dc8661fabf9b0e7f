-- The newest known values, from entry_change.
merge into clari.forecast_entry as entry
using entry_change as change
on
    entry.forecast_id = change.forecast_id
    and entry.time_period_id = change.time_period_id
    and entry.time_frame_id = change.time_frame_id
    and entry.user_id = change.user_id
    and entry.field_id = change.field_id
when matched and change.change = 'GONE' then update set in_latest_export = false
when matched and change.change = 'SAME' then update set
    scope_id = change.scope_id,
    last_seen_at = $exported_at,
    exported_at = $exported_at,
    job_id = $job_id
when matched then update set
    forecast_value = change.forecast_value,
    quota_value = change.quota_value,
    adjustment_value = change.adjustment_value,
    crm_total = change.crm_total,
    crm_closed = change.crm_closed,
    currency_code = change.currency_code,
    is_updated = change.is_updated,
    updated_by = change.updated_by,
    updated_at = change.updated_at,
    adjusted_by = change.adjusted_by,
    adjusted_at = change.adjusted_at,
    scope_id = change.scope_id,
    in_latest_export = true,
    changed_at = case when change.has_changed then $exported_at else entry.changed_at end,
    last_seen_at = $exported_at,
    exported_at = $exported_at,
    job_id = $job_id
when not matched then insert (
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
) values (
    change.forecast_id,
    change.time_period_id,
    change.time_frame_id,
    change.user_id,
    change.field_id,
    change.forecast_value,
    change.quota_value,
    change.adjustment_value,
    change.crm_total,
    change.crm_closed,
    change.currency_code,
    change.is_updated,
    change.updated_by,
    change.updated_at,
    change.adjusted_by,
    change.adjusted_at,
    change.scope_id,
    true,
    $exported_at,
    $exported_at,
    $exported_at,
    $exported_at,
    $job_id
);
