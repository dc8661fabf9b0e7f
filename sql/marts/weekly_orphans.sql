-- What is no longer loaded leaves the weekly tables.
create or replace temp table orphan_period as
select distinct stand.forecast_id, stand.time_period_id
from clari.forecast_call_week as stand
left join (
    select job.forecast_id, period.time_period_id
    from clari.export_job as job
    inner join clari.time_period as period on period.quarter_id = job.time_period_id
    where job.state = 'LOADED'
) as loaded
    on loaded.forecast_id = stand.forecast_id and loaded.time_period_id = stand.time_period_id
where loaded.time_period_id is null;

delete from clari.forecast_call_week as mart
where exists (
    select 1 from orphan_period as gone where gone.forecast_id = mart.forecast_id and gone.time_period_id = mart.time_period_id
);

delete from clari.forecast_movement as mart
where exists (
    select 1 from orphan_period as gone where gone.forecast_id = mart.forecast_id and gone.time_period_id = mart.time_period_id
);

delete from clari.mart_part_version as version
where not exists (
    select 1
    from clari.export_job as job
    where job.state = 'LOADED' and job.forecast_id = version.forecast_id and job.time_period_id = version.quarter_id
);
