-- Grain: one row a field: sum and count of each measure over the merged rows that the export left its mark on, in the
-- weeks that it shows, each as often as the document writes it.
-- In `shown` the first sums of a field are of each row once, the second of the copies beyond that.
with shown as (
    select
        field_id,
        sum(forecast_value) as forecast_value_total,
        count(forecast_value) as forecast_value_count,
        sum(quota_value) as quota_value_total,
        count(quota_value) as quota_value_count,
        sum(adjustment_value) as adjustment_value_total,
        count(adjustment_value) as adjustment_value_count,
        sum(crm_total) as crm_total_total,
        count(crm_total) as crm_total_count,
        sum(crm_closed) as crm_closed_total,
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
    group by field_id
    union all
    select
        entry.field_id,
        sum(cast(entry.forecast_value as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))) as forecast_value_total,
        sum(case when entry.forecast_value is not null then staged.copies - 1 end) as forecast_value_count,
        sum(cast(entry.quota_value as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))) as quota_value_total,
        sum(case when entry.quota_value is not null then staged.copies - 1 end) as quota_value_count,
        sum(cast(entry.adjustment_value as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))) as adjustment_value_total,
        sum(case when entry.adjustment_value is not null then staged.copies - 1 end) as adjustment_value_count,
        sum(cast(entry.crm_total as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))) as crm_total_total,
        sum(case when entry.crm_total is not null then staged.copies - 1 end) as crm_total_count,
        sum(cast(entry.crm_closed as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))) as crm_closed_total,
        sum(case when entry.crm_closed is not null then staged.copies - 1 end) as crm_closed_count
    from clari.forecast_entry as entry
    inner join stage_entry as staged
        on
            staged.copies > 1
            and staged.time_period_id = entry.time_period_id
            and staged.time_frame_id = entry.time_frame_id
            and staged.user_id = entry.user_id
            and staged.field_id = entry.field_id
    where entry.forecast_id = $forecast_id
    group by entry.field_id
)

select
    field_id,
    coalesce(sum(forecast_value_total), 0) as forecast_value_total,
    coalesce(sum(forecast_value_count), 0) as forecast_value_count,
    coalesce(sum(quota_value_total), 0) as quota_value_total,
    coalesce(sum(quota_value_count), 0) as quota_value_count,
    coalesce(sum(adjustment_value_total), 0) as adjustment_value_total,
    coalesce(sum(adjustment_value_count), 0) as adjustment_value_count,
    coalesce(sum(crm_total_total), 0) as crm_total_total,
    coalesce(sum(crm_total_count), 0) as crm_total_count,
    coalesce(sum(crm_closed_total), 0) as crm_closed_total,
    coalesce(sum(crm_closed_count), 0) as crm_closed_count
from shown
group by field_id;
