-- Grain: one row an alert, the newest first, without what it tells of people.
select kind, severity, created_at, sent_at, attempts, last_error, run_id
from clari.alert
order by created_at desc, alert_key
limit 1000;
