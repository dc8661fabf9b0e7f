-- Grain: one row per forecast and quarter: its newest loaded export, how many there are, and what the newest is as of that
-- was no newest week alone, brought without a job.
select
    request_id, forecast_id,
    time_period_id as quarter_id,
    job_id, exported_at, call_time_frame_id, quota_fields,
    count(*) over (partition by forecast_id, time_period_id) as exports_loaded,
    max(case when source = 'EXPORT' then exported_at end) over (partition by forecast_id, time_period_id) as covered_at
from clari.export_job
where state = 'LOADED'
qualify
    row_number() over (
        partition by forecast_id, time_period_id order by exported_at desc, submitted_at desc, request_id desc
    ) = 1
order by quarter_id desc, forecast_id;
