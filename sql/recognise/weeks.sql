-- Grain: one row a period and week of which the quarter has an entry, with the period's own attributes.
select
    used.time_period_id,
    used.time_frame_id,
    week.start_date,
    week.end_date,
    period.period_type,
    period.label,
    period.year,
    period.start_date as period_start_date,
    period.end_date as period_end_date,
    period.crm_id
from (
    select distinct time_period_id, time_frame_id
    from clari.forecast_entry_state
    where
        forecast_id = $forecast_id
        and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
) as used
left join clari.time_frame as week on week.time_period_id = used.time_period_id and week.time_frame_id = used.time_frame_id
left join clari.time_period as period on period.time_period_id = used.time_period_id
order by used.time_period_id, used.time_frame_id;
