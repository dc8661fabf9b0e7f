-- What is no longer loaded leaves the mart.
delete from clari.forecast_vs_quota as mart
where not exists (
    select 1
    from clari.export_job as job
    inner join clari.time_period as period on period.quarter_id = job.time_period_id
    where job.state = 'LOADED' and job.forecast_id = mart.forecast_id and period.time_period_id = mart.time_period_id
);
