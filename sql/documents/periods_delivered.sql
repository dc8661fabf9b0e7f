select
    time_period_id,
    period_type,
    label,
    start_date,
    end_date,
    (select count(*) from stage_entry as entry where entry.time_period_id = period.time_period_id) as entries
from stage_time_period as period
order by time_period_id;
