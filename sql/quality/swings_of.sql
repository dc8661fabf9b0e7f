-- Grain: one row a swing of an export, the largest first.
select
    swing.baseline,
    swing.user_id,
    person.name as user_name,
    swing.time_period_id,
    swing.field_id,
    coalesce(field.field_name, swing.field_id) as field_name,
    swing.previous_value,
    swing.current_value,
    swing.change_amount,
    swing.change_pct,
    swing.reason
from clari.forecast_swing as swing
left join clari.forecast_user as person
    on person.forecast_id = swing.forecast_id and person.user_id = swing.user_id
left join clari.forecast_field as field
    on field.forecast_id = swing.forecast_id and field.field_id = swing.field_id
where swing.job_id = $job_id and swing.is_swing
order by abs(swing.change_amount) desc, swing.user_id, swing.field_id, swing.baseline;
