-- One row: merged documents of the quarter with ids of Clari's, and with others: CSV, and the flat JSON.
select
    count(case when cast(verdict.evidence as varchar) like '%"relational"%' then 1 end) as with_ids,
    count(
        case
            when cast(verdict.evidence as varchar) like '%"long_csv"%' or cast(verdict.evidence as varchar) like '%"flat"%'
                then 1
        end
    ) as without_ids
from clari.export_check as verdict
inner join clari.export_job as job on job.request_id = verdict.request_id
where
    job.forecast_id = $forecast_id
    and job.time_period_id = $quarter_id
    and job.state in ('LOADED', 'RETIRED')
    and verdict.check_name = 'export_is_readable';
