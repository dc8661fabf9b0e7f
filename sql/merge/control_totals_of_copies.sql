-- Grain: one row a field: what exact duplicates in the document add to sum and count of each measure: each merged row as
-- often as the document writes it beyond the first.
select
    entry.field_id,
    coalesce(sum(cast(entry.forecast_value as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))), 0) as forecast_value_total,
    coalesce(sum(case when entry.forecast_value is not null then staged.copies - 1 end), 0) as forecast_value_count,
    coalesce(sum(cast(entry.quota_value as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))), 0) as quota_value_total,
    coalesce(sum(case when entry.quota_value is not null then staged.copies - 1 end), 0) as quota_value_count,
    coalesce(sum(cast(entry.adjustment_value as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))), 0) as adjustment_value_total,
    coalesce(sum(case when entry.adjustment_value is not null then staged.copies - 1 end), 0) as adjustment_value_count,
    coalesce(sum(cast(entry.crm_total as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))), 0) as crm_total_total,
    coalesce(sum(case when entry.crm_total is not null then staged.copies - 1 end), 0) as crm_total_count,
    coalesce(sum(cast(entry.crm_closed as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))), 0) as crm_closed_total,
    coalesce(sum(case when entry.crm_closed is not null then staged.copies - 1 end), 0) as crm_closed_count
from clari.forecast_entry as entry
inner join stage_entry as staged
    on
        staged.copies > 1
        and staged.time_period_id = entry.time_period_id
        and staged.time_frame_id = entry.time_frame_id
        and staged.user_id = entry.user_id
        and staged.field_id = entry.field_id
where entry.forecast_id = $forecast_id
group by entry.field_id;
