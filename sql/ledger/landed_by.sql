-- Exports of which a document has landed, the newest first: of some runs those that are merged or refused; of all runs
-- those that wait to be merged, and would be the newest of their forecast's quarter.
select landed.*
from clari.export_job as landed
left join (
    select forecast_id, time_period_id, max(exported_at) as exported_at
    from clari.export_job
    where state = 'LOADED'
    group by forecast_id, time_period_id
) as loaded
    on loaded.forecast_id = landed.forecast_id and loaded.time_period_id = landed.time_period_id
where
    (landed.state in ('LOADED', 'REFUSED') and list_contains($run_ids, landed.run_id))
    or (
        landed.state = 'LANDED'
        and landed.types_to_export is not null
        and landed.export_format is not null
        and coalesce(loaded.exported_at <= landed.exported_at, true)
    )
order by landed.submitted_at desc, landed.attempt desc;
