-- The days of quarters and weeks, for the fiscal calendar.

-- name: quarters
-- Grain: one row per quarter whose first and last day are known, from merged documents: the gate refused none of them.
select quarter_id, start_date, end_date
from clari.time_period
where time_period_id = quarter_id and period_type = 'QUARTER' and start_date is not null and end_date is not null
order by quarter_id;

-- name: contradictions
-- Grain: one row per forecast and quarter whose newest judged document contradicted the settings' calendar.
with judged as (
    select job.forecast_id, job.time_period_id, verdict.passed, verdict.evidence
    from clari.export_check as verdict
    inner join clari.export_job as job on job.request_id = verdict.request_id
    where verdict.check_name = 'calendar_matches_settings'
    qualify
        row_number() over (
            partition by job.forecast_id, job.time_period_id
            order by job.exported_at desc, job.submitted_at desc, job.request_id desc
        ) = 1
)

select forecast_id, time_period_id, evidence
from judged
where not passed
order by time_period_id desc, forecast_id;

-- name: week_ends
-- Grain: one row per day on which a week ends, of the newest quarter.
select distinct coalesce(end_date, start_date + 6) as end_date
from clari.time_frame
where
    start_date is not null
    and time_period_id = (
        select max(period.quarter_id)
        from clari.time_period as period
        where period.time_period_id = period.quarter_id and period.period_type = 'QUARTER'
    )
order by end_date;
