-- Grain: one row a reading of Clari's export quota, the newest first.
select run_id, read_at, monthly_quota, available_monthly_quota, concurrent_limit
from clari.export_quota
order by read_at desc, run_id
limit 1000;
