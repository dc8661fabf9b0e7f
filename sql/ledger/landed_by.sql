-- Exports of which a document has landed, the newest first: of some runs those that are merged or refused; of all runs
-- those that wait to be merged, and would be the newest of their forecast's quarter.
select landed.*
from clari.export_job as landed
where
    (landed.state in ('LOADED', 'REFUSED') and list_contains($run_ids, landed.run_id))
    or (
        landed.state = 'LANDED'
        and landed.types_to_export is not null
        and landed.export_format is not null
        and not exists (
            select 1
            from clari.export_job as newer
            where
                newer.state = 'LOADED'
                and newer.forecast_id = landed.forecast_id
                and newer.time_period_id = landed.time_period_id
                and newer.exported_at > landed.exported_at
        )
    )
order by landed.submitted_at desc, landed.attempt desc;
