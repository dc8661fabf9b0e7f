-- Grain: one row per export of the quarter that was compared, and that is not the export of its moment any more, or was
-- compared with one that is not. One that shares its moment is compared anew: what was merged after it, as of the same
-- moment, may have changed its calls.
with loaded as (
    select job_id
    from clari.export_job
    where forecast_id = $forecast_id and time_period_id = $quarter_id and state = 'LOADED'
        and coalesce(types_to_export like '%forecast%' and scope_id not like 'part:%', true)
    qualify row_number() over (partition by exported_at order by submitted_at desc, request_id desc) = 1
),

superseded as (
    select job_id
    from clari.export_job
    where
        forecast_id = $forecast_id
        and time_period_id = $quarter_id
        and job_id is not null
        and (
            job_id not in (select loaded.job_id from loaded)
            or exported_at in (
                select shared.exported_at
                from clari.export_job as shared
                where
                    shared.forecast_id = $forecast_id
                    and shared.time_period_id = $quarter_id
                    and shared.state = 'LOADED'
                group by shared.exported_at
                having count(*) > 1
            )
        )
)

select distinct job_id
from clari.forecast_swing_summary
where
    forecast_id = $forecast_id
    and (
        job_id in (select superseded.job_id from superseded)
        or previous_job_id in (select superseded.job_id from superseded)
    );
