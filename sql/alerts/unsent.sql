-- Alerts that some channel has not taken yet, the oldest first; old ones only if they are named, for they have long been
-- seen otherwise.
select *
from clari.alert
where sent_at is null and (created_at > $not_before or list_contains($alert_keys, alert_key))
order by created_at, alert_key;
