-- What Clari allows, and leaves, as a run was told.
insert into clari.export_quota (run_id, read_at, monthly_quota, available_monthly_quota, concurrent_limit)
values ($run_id, $read_at, $monthly_quota, $available_monthly_quota, $concurrent_limit);
