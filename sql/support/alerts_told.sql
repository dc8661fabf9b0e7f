-- Grain: one row an alert, the newest first, as people were told of it.
select alert_key, alert_class, kind, severity, title, body, created_at, sent_at, attempts, last_error, run_id, detail
from clari.alert
order by created_at desc, alert_key
limit 1000;
