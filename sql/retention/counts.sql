-- Grain: one row a quarter before the oldest one kept and a table: how many rows would go.
with held as (
    select 'forecast_entry' as table_name, time_period_id, count(*) as gone from clari.forecast_entry_state group by time_period_id
    union all
    select 'forecast_entry_sighting', time_period_id, count(*) from clari.forecast_entry_sighting group by time_period_id
    union all
    select 'forecast_entry_history', time_period_id, count(*) from clari.forecast_entry_history group by time_period_id
    union all
    select 'forecast_swing', time_period_id, count(*) from clari.forecast_swing group by time_period_id
    union all
    select 'forecast_swing_summary', time_period_id, count(*) from clari.forecast_swing_summary group by time_period_id
    union all
    select 'forecast_swing_contribution', time_period_id, count(*) from clari.forecast_swing_contribution group by time_period_id
    union all
    select 'forecast_vs_quota', time_period_id, count(*) from clari.forecast_vs_quota group by time_period_id
    union all
    select 'forecast_call_week', time_period_id, count(*) from clari.forecast_call_week group by time_period_id
    union all
    select 'forecast_movement', time_period_id, count(*) from clari.forecast_movement group by time_period_id
    union all
    select 'forecast_time_frame', time_period_id, count(*) from clari.forecast_time_frame group by time_period_id
    union all
    select 'time_frame', time_period_id, count(*) from clari.time_frame group by time_period_id
    union all
    select 'time_period', time_period_id, count(*) from clari.time_period group by time_period_id
),

dated as (
    select held.table_name, period.quarter_id, held.gone
    from held
    inner join clari.time_period as period on period.time_period_id = held.time_period_id
    union all
    select 'forecast_user_sighting', quarter_id, count(*) from clari.forecast_user_sighting group by quarter_id
    union all
    select 'newest_document', quarter_id, count(*) from clari.newest_document group by quarter_id
    union all
    select 'mart_version', quarter_id, count(*) from clari.mart_version group by quarter_id
    union all
    select 'mart_part_version', quarter_id, count(*) from clari.mart_part_version group by quarter_id
)

select quarter_id, table_name, cast(sum(gone) as bigint) as gone
from dated
where quarter_id < $oldest_kept
group by quarter_id, table_name
order by quarter_id, table_name;
