-- Grain: one row an entry as it stood at a moment.
select
    forecast_id, time_period_id, time_frame_id, user_id, field_id, forecast_value, quota_value, adjustment_value,
    crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, is_present,
    valid_from, job_id, quarter_id
from clari.forecast_entry_version
where
    valid_from <= $as_of
    and valid_until > $as_of
    and ($every_forecast or list_contains($forecasts, forecast_id))
    and (
        $every_quarter
        or list_contains($quarters, quarter_id)
    )
order by forecast_id, time_period_id, time_frame_id, user_id, field_id;
