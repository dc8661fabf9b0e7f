-- Grain: one row an export and check, the newest first.
select request_id, check_name, passed, severity, evidence, checked_at
from clari.export_check
order by checked_at desc, request_id, check_name
limit 5000;
