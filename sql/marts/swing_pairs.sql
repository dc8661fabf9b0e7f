-- Grain: one row per comparison that is due: a loaded export that was not compared yet and its baseline. Of several exports as of
-- one moment the one submitted last is the export of that moment. What asked for no calls is compared with nothing, and
-- neither is a manager's file of a part of the organisation.
with loaded as (
    select *
    from clari.export_job
    where forecast_id = $forecast_id and time_period_id = $quarter_id and state = 'LOADED'
        and coalesce(types_to_export like '%forecast%' and scope_id not like 'part:%', true)
    qualify row_number() over (partition by exported_at order by submitted_at desc, request_id desc) = 1
),

pair as (
    select
        'sync' as baseline,
        now.job_id,
        before.job_id as previous_job_id,
        row_number() over (partition by now.job_id order by before.exported_at desc) as distance
    from loaded as now
    inner join loaded as before on before.exported_at < now.exported_at
    union all
    select
        'week',
        now.job_id, before.job_id,
        row_number() over (partition by now.job_id order by before.exported_at desc)
    from loaded as now
    inner join loaded as before on before.exported_at <= now.exported_at - interval 156 hours
),

-- Older comparisons of which no row has to be there: nothing had moved.
quiet as (
    select summary.job_id, summary.baseline
    from clari.forecast_swing_summary as summary
    inner join loaded on loaded.job_id = summary.job_id
    where loaded.exported_at < (select max(newest.exported_at) from loaded as newest)
    group by summary.job_id, summary.baseline
    having sum(summary.kept) = 0
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
    and not exists (select 1 from quiet where quiet.job_id = pair.job_id and quiet.baseline = pair.baseline)
order by pair.job_id, pair.baseline;
