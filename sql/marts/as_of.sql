-- Grain: one row per entry as it stood at a moment. Names are the newest, whatever they were then.
select
    entry.forecast_id, entry.time_period_id, entry.time_frame_id, entry.user_id,
    person.name as user_name,
    entry.field_id, field.field_name, entry.forecast_value, entry.quota_value, entry.adjustment_value, entry.crm_total,
    entry.crm_closed, entry.currency_code, entry.is_updated, entry.updated_by, entry.updated_at, entry.adjusted_by,
    entry.adjusted_at, entry.is_present, entry.valid_from, entry.job_id, entry.quarter_id
from clari.forecast_entry_version as entry
left join clari.forecast_user as person
    on person.forecast_id = entry.forecast_id and person.user_id = entry.user_id
left join clari.forecast_field as field
    on field.forecast_id = entry.forecast_id and field.field_id = entry.field_id
where
    entry.valid_from <= $as_of
    and entry.valid_until > $as_of
    and ($every_forecast or list_contains($forecasts, entry.forecast_id))
    and (
        $every_quarter
        or list_contains($quarters, entry.quarter_id)
    )
order by entry.forecast_id, entry.time_period_id, entry.time_frame_id, entry.user_id, entry.field_id;
