-- Grain: one row a distinct entry of the document, typed; copies counts the exact duplicates dropped into it.
create or replace temp table stage_entry as
select
    nullif(field_id, '') as field_id,
    nullif(time_frame_id, '') as time_frame_id,
    nullif(time_period_id, '') as time_period_id,
    nullif(user_id, '') as user_id,
    nullif(scope_id, '') as scope_id,
    nullif(trim(currency_code), '') as currency_code,
    as_amount(forecast_value) as forecast_value,
    as_amount(quota_value) as quota_value,
    as_amount(adjustment_value) as adjustment_value,
    as_amount(crm_total) as crm_total,
    as_amount(crm_closed) as crm_closed,
    try_cast(is_updated as boolean) as is_updated,
    updated_by,
    as_moment(updated_at) as updated_at,
    adjusted_by,
    as_moment(adjusted_at) as adjusted_at,
    cast(count(*) as bigint) as copies
from raw_entry
group by all;

-- Grain: one row an amount that cannot be read as money with at most four decimals and fourteen digits before them.
create or replace temp table stage_unreadable as
select field_id, time_frame_id, time_period_id, user_id, measure, written
from (
    unpivot raw_entry
    on forecast_value, quota_value, adjustment_value, crm_total, crm_closed
    into name measure value written
)
where is_given(written) and as_amount(written) is null;
