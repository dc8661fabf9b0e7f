-- Grain: one row a comparison that is due: a loaded export without swings and its baseline.
with loaded as (
    select *
    from clari.export_job
    where forecast_id = $forecast_id and time_period_id = $quarter_id and state = 'LOADED'
),

pair as (
    select
        'sync' as baseline,
        now.job_id,
        before.job_id as previous_job_id,
        row_number() over (
            partition by now.job_id order by before.exported_at desc, before.submitted_at desc
        ) as distance
    from loaded as now
    inner join loaded as before
        on
            before.exported_at < now.exported_at
            or (before.exported_at = now.exported_at and before.submitted_at < now.submitted_at)
    union all
    select
        'week',
        now.job_id,
        before.job_id,
        row_number() over (
            partition by now.job_id order by before.exported_at desc, before.submitted_at desc
        )
    from loaded as now
    inner join loaded as before on before.exported_at <= now.exported_at - interval 7 days
)

select pair.baseline, pair.job_id, pair.previous_job_id
from pair
where
    pair.distance = 1
    and not exists (
        select 1
        from clari.forecast_swing as known
        where known.job_id = pair.job_id and known.baseline = pair.baseline
    )
order by pair.job_id, pair.baseline;
