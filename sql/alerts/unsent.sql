-- Alerts that some channel has not taken yet, the oldest first. What is older has long been seen otherwise.
select *
from clari.alert
where sent_at is null and created_at > $not_before
order by created_at, alert_key;
