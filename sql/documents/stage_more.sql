-- More entries of the document, as they are read.
insert into stage_entry
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
    updated_by,
    make_timestamptz(updated_at * 1000),
    adjusted_by,
    make_timestamptz(adjusted_at * 1000),
    1
from raw_entry;
