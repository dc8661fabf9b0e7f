-- These exports are to be compared again, if they still count.
delete from clari.forecast_swing_contribution where list_contains($job_ids, job_id);

delete from clari.forecast_swing_summary where list_contains($job_ids, job_id);

delete from clari.forecast_swing where list_contains($job_ids, job_id);
