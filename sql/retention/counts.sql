-- Grain: one row a quarter before the oldest one kept and a table: how many rows would go.
with period as (
    select time_period_id, quarter_id from clari.time_period where quarter_id < $oldest_kept
)

select quarter_id, 'forecast_entry' as table_name, count(*) as gone
from clari.forecast_entry_state
inner join period on period.time_period_id = forecast_entry_state.time_period_id
group by quarter_id
union all
select quarter_id, 'forecast_entry_sighting', count(*)
from clari.forecast_entry_sighting
inner join period on period.time_period_id = forecast_entry_sighting.time_period_id
group by quarter_id
union all
select quarter_id, 'forecast_entry_history', count(*)
from clari.forecast_entry_history
inner join period on period.time_period_id = forecast_entry_history.time_period_id
group by quarter_id
union all
select quarter_id, 'forecast_swing', count(*)
from clari.forecast_swing
inner join period on period.time_period_id = forecast_swing.time_period_id
group by quarter_id
union all
select quarter_id, 'forecast_swing_summary', count(*)
from clari.forecast_swing_summary
inner join period on period.time_period_id = forecast_swing_summary.time_period_id
group by quarter_id
union all
select quarter_id, 'forecast_swing_contribution', count(*)
from clari.forecast_swing_contribution
inner join period on period.time_period_id = forecast_swing_contribution.time_period_id
group by quarter_id
union all
select quarter_id, 'forecast_vs_quota', count(*)
from clari.forecast_vs_quota
inner join period on period.time_period_id = forecast_vs_quota.time_period_id
group by quarter_id
union all
select quarter_id, 'forecast_call_week', count(*)
from clari.forecast_call_week
inner join period on period.time_period_id = forecast_call_week.time_period_id
group by quarter_id
union all
select quarter_id, 'forecast_movement', count(*)
from clari.forecast_movement
inner join period on period.time_period_id = forecast_movement.time_period_id
group by quarter_id
union all
select quarter_id, 'forecast_time_frame', count(*)
from clari.forecast_time_frame
inner join period on period.time_period_id = forecast_time_frame.time_period_id
group by quarter_id
union all
select quarter_id, 'time_frame', count(*)
from clari.time_frame
inner join period on period.time_period_id = time_frame.time_period_id
group by quarter_id
union all
select quarter_id, 'time_period', count(*)
from period
group by quarter_id
union all
select quarter_id, 'forecast_user_sighting', count(*)
from clari.forecast_user_sighting
where quarter_id < $oldest_kept
group by quarter_id
union all
select quarter_id, 'newest_document', count(*)
from clari.newest_document
where quarter_id < $oldest_kept
group by quarter_id
union all
select quarter_id, 'mart_version', count(*)
from clari.mart_version
where quarter_id < $oldest_kept
group by quarter_id
union all
select quarter_id, 'mart_part_version', count(*)
from clari.mart_part_version
where quarter_id < $oldest_kept
group by quarter_id
order by quarter_id, table_name;
