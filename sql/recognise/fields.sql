-- Grain: one row a field of which the quarter has an entry.
select
    used.field_id,
    field.field_name,
    field.field_type,
    used.shown > 0 as is_shown
from (
    select field_id, max(case when in_latest_export then 1 else 0 end) as shown
    from clari.forecast_entry_state
    where
        forecast_id = $forecast_id
        and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    group by field_id
) as used
left join clari.forecast_field as field on field.forecast_id = $forecast_id and field.field_id = used.field_id
order by used.field_id;
