-- More entries of the document, as they are read.
insert into stage_entry (
    entry_no, field_id, time_frame_id, time_period_id, user_id, scope_id, currency_code, forecast_value, quota_value,
    adjustment_value, crm_total, crm_closed, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, copies
)
select
    $before + row_number() over (),
    field_id,
    time_frame_id,
    time_period_id,
    user_id,
    scope_id,
    upper(nullif(trim(currency_code), '')),
    forecast_value,
    quota_value,
    adjustment_value,
    crm_total,
    crm_closed,
    is_updated,
    nullif(trim(updated_by), ''),
    make_timestamptz(nullif(updated_at, 0) * 1000),
    nullif(trim(adjusted_by), ''),
    make_timestamptz(nullif(adjusted_at, 0) * 1000),
    1
from raw_entry;
