-- A version a change: the open one is closed, the new one opened. From entry_change.
update clari.forecast_entry_history as version
set valid_to = $exported_at
from entry_change as change
where
    change.change in ('UPDATE', 'GONE')
    and version.valid_to is null
    and version.forecast_id = change.forecast_id
    and version.time_period_id = change.time_period_id
    and version.time_frame_id = change.time_frame_id
    and version.user_id = change.user_id
    and version.field_id = change.field_id;

-- Two exports as of the same moment: the one submitted later stands, the other leaves no version of no length.
delete from clari.forecast_entry_history where forecast_id = $forecast_id and valid_from = valid_to;

insert into clari.forecast_entry_history (
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
    is_present,
    valid_from,
    valid_to,
    job_id
)
select
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
    change <> 'GONE',
    $exported_at,
    null,
    $job_id
from entry_change
where change in ('INSERT', 'UPDATE', 'GONE');
