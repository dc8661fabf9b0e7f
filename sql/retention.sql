-- Quarters that are old enough leave the tables. Marts are not named here: the registry says which leave, too.

-- name: exports
-- The exports that are in the tables, of quarters before the oldest one kept: each has its landed document.
select request_id, forecast_id, time_period_id as quarter_id, landing_path
from clari.export_job
where state = 'LOADED' and time_period_id < $oldest_kept
order by time_period_id, forecast_id, exported_at, submitted_at, request_id;

-- name: verdicts
-- Grain: one row per export that was merged long ago and is not the newest of its forecast and quarter, or of its
-- product, and whose checks passed: how many of these verdicts would leave export_check. Those that failed stay.
with export as (
    select
        request_id, exported_at,
        row_number() over (
            partition by forecast_id, time_period_id order by exported_at desc, submitted_at desc, request_id desc
        ) as place
    from clari.export_job
    where state in ('LOADED', 'RETIRED')
    union all
    select
        request_id,
        coalesce(exported_at, submitted_at),
        row_number() over (
            partition by product order by coalesce(exported_at, submitted_at) desc, submitted_at desc, request_id desc
        )
    from clari.product_fetch
    where state = 'LOADED'
)

select export.request_id, count(*) as verdicts
from export
inner join clari.export_check as verdict on verdict.request_id = export.request_id
where export.place > 1 and export.exported_at < $not_before and verdict.passed
group by export.request_id
order by export.request_id;

-- name: forget_verdicts
delete from clari.export_check where passed and list_contains($request_ids, request_id);

-- name: rule_results
-- Results of one's own rules that passed so long ago, which would leave quality_result. Those that are broken stay, and
-- the newest run's all.
select count(*) as results
from clari.quality_result
where
    passed and checked_at < $not_before
    and run_id not in (
        select newest.run_id from clari.quality_result as newest
        where newest.checked_at = (select max(last.checked_at) from clari.quality_result as last)
    );

-- name: forget_rule_results
delete from clari.quality_result
where
    passed and checked_at < $not_before
    and run_id not in (
        select newest.run_id from clari.quality_result as newest
        where newest.checked_at = (select max(last.checked_at) from clari.quality_result as last)
    );

-- name: counts
-- Grain: one row per quarter before the oldest one kept and a table that is no mart: how many rows would go. The row of a
-- period around quarters, which goes with the last of them, is not counted.
with held as (
    select 'forecast_entry' as table_name, quarter_id, count(*) as gone from clari.forecast_entry_state group by quarter_id
    union all
    select 'forecast_entry_sighting', quarter_id, count(*) from clari.forecast_entry_sighting group by quarter_id
    union all
    select 'forecast_entry_history', quarter_id, count(*) from clari.forecast_entry_history group by quarter_id
    union all
    select 'forecast_swing_contribution', period.quarter_id, count(*)
    from clari.forecast_swing_contribution as held
    inner join clari.time_period as period on period.time_period_id = held.time_period_id
    group by period.quarter_id
    union all
    select 'forecast_time_frame', quarter_id, count(*) from clari.forecast_time_frame group by quarter_id
    union all
    select 'time_frame', quarter_id, count(*) from clari.time_frame group by quarter_id
    union all
    select 'time_period', period.quarter_id, count(*)
    from clari.time_period as period
    inner join (select distinct time_period_id from clari.export_job) as asked on asked.time_period_id = period.quarter_id
    group by period.quarter_id
    union all
    select 'forecast_user_sighting', quarter_id, count(*) from clari.forecast_user_sighting group by quarter_id
    union all
    select 'newest_document', quarter_id, count(*) from clari.newest_document group by quarter_id
    union all
    select 'mart_version', quarter_id, count(*) from clari.mart_version group by quarter_id
    union all
    select 'mart_part_version', quarter_id, count(*) from clari.mart_part_version group by quarter_id
)

select quarter_id, table_name, cast(gone as bigint) as gone
from held
where quarter_id < $oldest_kept
order by quarter_id, table_name;

-- name: count_mart
-- Grain: one row per quarter before the oldest one kept: how many rows of a mart would go.
select period.quarter_id, count(*) as gone
from clari.{table} as held
inner join clari.time_period as period on period.time_period_id = held.time_period_id
where period.quarter_id < $oldest_kept
group by period.quarter_id;

-- name: retire_mart
-- name: retire, table: forecast_swing_contribution
-- Rows of a quarter leave, of all forecasts at once.
delete from clari.{table}
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

-- name: forget_quarter, table: forecast_entry_state | forecast_entry_sighting | forecast_entry_history | forecast_time_frame | time_frame | time_period | forecast_user_sighting | newest_document | mart_version | mart_part_version | merged_total
delete from clari.{table} where quarter_id = $quarter_id;

-- name: forget_periods_around
-- A period around quarters leaves with the last of those whose exports showed it.
delete from clari.time_period
where
    quarter_id = time_period_id
    and quarter_id not in (select job.time_period_id from clari.export_job as job)
    and time_period_id not in (select week.time_period_id from clari.time_frame as week);

-- name: retired
-- The ledger goes on naming a quarter's exports: their documents stay landed.
update clari.export_job set state = 'RETIRED' where state = 'LOADED' and time_period_id = $quarter_id;
