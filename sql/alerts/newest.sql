-- The newest alerts, for people.
select alert_key, alert_class, kind, severity, title, body, created_at, sent_at, attempts, last_error
from clari.alert
order by created_at desc, alert_key
limit $most;
