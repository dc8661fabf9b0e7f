-- Grain: one row a field: sum and count of each measure over the merged rows that the export left its mark on, in the
-- weeks that it shows, each as often as the document writes it.
with shown_week as (
    select distinct time_period_id, time_frame_id from stage_entry
),

shown as (
    select field_id, forecast_value, quota_value, adjustment_value, crm_total, crm_closed, 1 as copies
    from clari.forecast_entry
    where
        forecast_id = $forecast_id
        and job_id = $job_id
        and exported_at = $exported_at
        and in_latest_export
        and exists (
            select 1
            from shown_week
            where
                shown_week.time_period_id = forecast_entry.time_period_id
                and shown_week.time_frame_id = forecast_entry.time_frame_id
        )
    union all
    select
        entry.field_id,
        entry.forecast_value,
        entry.quota_value,
        entry.adjustment_value,
        entry.crm_total,
        entry.crm_closed,
        staged.copies - 1
    from clari.forecast_entry as entry
    inner join stage_entry as staged
        on
            staged.copies > 1
            and staged.time_period_id = entry.time_period_id
            and staged.time_frame_id = entry.time_frame_id
            and staged.user_id = entry.user_id
            and staged.field_id = entry.field_id
    where entry.forecast_id = $forecast_id
)

select
    field_id,
    coalesce(sum(cast(forecast_value as decimal(32, 4)) * cast(copies as decimal(6, 0))), 0) as forecast_value_total,
    coalesce(sum(case when forecast_value is not null then copies end), 0) as forecast_value_count,
    coalesce(sum(cast(quota_value as decimal(32, 4)) * cast(copies as decimal(6, 0))), 0) as quota_value_total,
    coalesce(sum(case when quota_value is not null then copies end), 0) as quota_value_count,
    coalesce(sum(cast(adjustment_value as decimal(32, 4)) * cast(copies as decimal(6, 0))), 0) as adjustment_value_total,
    coalesce(sum(case when adjustment_value is not null then copies end), 0) as adjustment_value_count,
    coalesce(sum(cast(crm_total as decimal(32, 4)) * cast(copies as decimal(6, 0))), 0) as crm_total_total,
    coalesce(sum(case when crm_total is not null then copies end), 0) as crm_total_count,
    coalesce(sum(cast(crm_closed as decimal(32, 4)) * cast(copies as decimal(6, 0))), 0) as crm_closed_total,
    coalesce(sum(case when crm_closed is not null then copies end), 0) as crm_closed_count
from shown
group by field_id;
