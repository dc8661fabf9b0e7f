-- Grain: one row a field: sum and count of each measure over the merged rows that the document shows, each as
-- often as the document writes it.
select
    shown.field_id,
    coalesce(sum(cast(entry.forecast_value as decimal(32, 4)) * cast(shown.copies as decimal(6, 0))), 0) as forecast_value_total,
    coalesce(sum(case when entry.forecast_value is not null then shown.copies end), 0) as forecast_value_count,
    coalesce(sum(cast(entry.quota_value as decimal(32, 4)) * cast(shown.copies as decimal(6, 0))), 0) as quota_value_total,
    coalesce(sum(case when entry.quota_value is not null then shown.copies end), 0) as quota_value_count,
    coalesce(sum(cast(entry.adjustment_value as decimal(32, 4)) * cast(shown.copies as decimal(6, 0))), 0) as adjustment_value_total,
    coalesce(sum(case when entry.adjustment_value is not null then shown.copies end), 0) as adjustment_value_count,
    coalesce(sum(cast(entry.crm_total as decimal(32, 4)) * cast(shown.copies as decimal(6, 0))), 0) as crm_total_total,
    coalesce(sum(case when entry.crm_total is not null then shown.copies end), 0) as crm_total_count,
    coalesce(sum(cast(entry.crm_closed as decimal(32, 4)) * cast(shown.copies as decimal(6, 0))), 0) as crm_closed_total,
    coalesce(sum(case when entry.crm_closed is not null then shown.copies end), 0) as crm_closed_count
from stage_entry as shown
inner join clari.forecast_entry as entry
    on
        entry.forecast_id = $forecast_id
        and entry.time_period_id = shown.time_period_id
        and entry.time_frame_id = shown.time_frame_id
        and entry.user_id = shown.user_id
        and entry.field_id = shown.field_id
group by shown.field_id;
