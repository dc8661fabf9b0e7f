-- What Clari allows, and leaves, as a run was told. The same look, read once more from its landed document, is the same row.
insert into clari.export_quota (
    run_id, read_at, monthly_quota, available_monthly_quota, concurrent_limit, available_concurrent_limit,
    running_jobs, submitted_jobs
)
select
    $run_id, $read_at, $monthly_quota, $available_monthly_quota, $concurrent_limit, $available_concurrent_limit,
    $running_jobs, $submitted_jobs
where not exists (select 1 from clari.export_quota where run_id = $run_id and read_at = $read_at);
