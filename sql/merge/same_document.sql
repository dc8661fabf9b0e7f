-- The newest document came again: every entry that it shows was seen by the newer export, and none has changed.
-- Rows that an earlier release has merged name the export themselves, all of them.
insert into clari.forecast_entry_sighting (forecast_id, time_period_id, known_job_id, job_id, exported_at)
select $forecast_id, known.time_period_id, $known_job_id, $job_id, $exported_at
from (
    select distinct time_period_id
    from clari.forecast_entry_state
    where
        forecast_id = $forecast_id
        and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
        and job_id = $known_job_id
        and in_latest_export
) as known
where
    not exists (
        select 1
        from clari.forecast_entry_sighting as sighting
        where
            sighting.forecast_id = $forecast_id
            and sighting.time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
            and $known_job_id in (sighting.job_id, sighting.known_job_id)
    );

update clari.forecast_entry_sighting
set job_id = $job_id, exported_at = $exported_at
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and job_id = $known_job_id;

update clari.newest_document
set job_id = $job_id
where forecast_id = $forecast_id and quarter_id = $quarter_id;
