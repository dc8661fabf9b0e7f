-- One row: merged documents of the quarter whose ids are none of Clari's: CSV, and the flat JSON.
select count(*) as documents
from clari.export_check as verdict
inner join clari.export_job as job on job.request_id = verdict.request_id
where
    job.forecast_id = $forecast_id
    and job.time_period_id = $quarter_id
    and job.state in ('LOADED', 'RETIRED')
    and verdict.check_name = 'export_is_readable'
    and (cast(verdict.evidence as varchar) like '%"long_csv"%' or cast(verdict.evidence as varchar) like '%"flat"%');
