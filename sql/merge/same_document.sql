-- The newest document came again: every entry that it shows was seen by the newer export, and none has changed.
update clari.forecast_entry
set last_seen_at = $exported_at, exported_at = $exported_at, job_id = $job_id
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and job_id = $known_job_id
    and in_latest_export;

update clari.newest_document
set job_id = $job_id
where forecast_id = $forecast_id and quarter_id = $quarter_id;
