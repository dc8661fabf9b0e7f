-- Written to see whether it can be, and rolled back.
insert into clari.export_quota (run_id, read_at) values ('preflight', current_timestamp);
