-- One row: merged documents of the quarter with ids of Clari's, and with others: CSV, and the flat JSON. Verdicts that
-- passed may have been forgotten: of those exports the format tells, whose JSON has Clari's ids.
with merged as (
    select
        coalesce(cast(verdict.evidence as varchar), case job.export_format when 'CSV' then '"long_csv"' else '"relational"' end)
            as evidence
    from clari.export_job as job
    left join clari.export_check as verdict
        on verdict.request_id = job.request_id and verdict.check_name = 'export_is_readable'
    where
        job.forecast_id = $forecast_id
        and job.time_period_id = $quarter_id
        and job.state in ('LOADED', 'RETIRED')
)

select
    count(case when evidence like '%"relational"%' then 1 end) as with_ids,
    count(case when evidence like '%"long_csv"%' or evidence like '%"flat"%' then 1 end) as without_ids
from merged;
