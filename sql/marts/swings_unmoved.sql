-- Of a quarter's newest comparisons every call has a row; of the older ones those alone that moved, or whose reason is
-- another than that of the call's row before. What stays as it is, sync after sync, leaves no more rows than one.
delete from clari.forecast_swing as unmoved
using (
    select
        swing.time_period_id,
        swing.user_id,
        swing.field_id,
        swing.baseline,
        swing.job_id,
        export.exported_at,
        max(export.exported_at) over () as newest_at,
        swing.previous_value is distinct from swing.current_value
        or coalesce(swing.reason = 'currency_changed', false) as is_moved,
        swing.reason,
        lag(swing.reason) over (
            partition by
                swing.time_period_id,
                swing.user_id,
                swing.field_id,
                swing.baseline,
                swing.reason is null and swing.previous_value is not distinct from swing.current_value
            order by export.exported_at
        ) as reason_before
    from clari.forecast_swing as swing
    inner join clari.export_job as export on export.job_id = swing.job_id
    where swing.forecast_id = $forecast_id and export.time_period_id = $quarter_id
) as told
where
    unmoved.forecast_id = $forecast_id
    and unmoved.job_id = told.job_id
    and unmoved.baseline = told.baseline
    and unmoved.time_period_id = told.time_period_id
    and unmoved.user_id = told.user_id
    and unmoved.field_id = told.field_id
    and told.exported_at < told.newest_at
    and not told.is_moved
    and (told.reason is null or told.reason is not distinct from told.reason_before);

update clari.forecast_swing_summary as summary
set kept = counted.kept
from (
    select of_job.job_id, of_job.time_period_id, of_job.field_id, of_job.baseline, count(swing.user_id) as kept
    from clari.forecast_swing_summary as of_job
    inner join clari.export_job as export on export.job_id = of_job.job_id
    left join clari.forecast_swing as swing
        on
            swing.job_id = of_job.job_id
            and swing.baseline = of_job.baseline
            and swing.time_period_id = of_job.time_period_id
            and swing.field_id = of_job.field_id
    where
        of_job.forecast_id = $forecast_id
        and export.time_period_id = $quarter_id
        and export.exported_at < (
            select max(loaded.exported_at)
            from clari.export_job as loaded
            where loaded.forecast_id = $forecast_id and loaded.time_period_id = $quarter_id and loaded.state = 'LOADED'
        )
    group by of_job.job_id, of_job.time_period_id, of_job.field_id, of_job.baseline
) as counted
where
    summary.job_id = counted.job_id
    and summary.time_period_id = counted.time_period_id
    and summary.field_id = counted.field_id
    and summary.baseline = counted.baseline
    and summary.kept <> counted.kept;
