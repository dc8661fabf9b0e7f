-- Grain: one row a field: sum and count of each measure over the merged rows that the export left its mark on, in the
-- weeks that it shows, each row once.
select
    field_id,
    coalesce(sum(forecast_value), 0) as forecast_value_total,
    count(forecast_value) as forecast_value_count,
    coalesce(sum(quota_value), 0) as quota_value_total,
    count(quota_value) as quota_value_count,
    coalesce(sum(adjustment_value), 0) as adjustment_value_total,
    count(adjustment_value) as adjustment_value_count,
    coalesce(sum(crm_total), 0) as crm_total_total,
    count(crm_total) as crm_total_count,
    coalesce(sum(crm_closed), 0) as crm_closed_total,
    count(crm_closed) as crm_closed_count
from clari.forecast_entry
where
    forecast_id = $forecast_id
    and job_id = $job_id
    and exported_at = $exported_at
    and in_latest_export
    and exists (
        select 1
        from stage_shown_week as shown_week
        where
            shown_week.time_period_id = forecast_entry.time_period_id
            and shown_week.time_frame_id = forecast_entry.time_frame_id
    )
group by field_id;
