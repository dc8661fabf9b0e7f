select alert_key, channel_id from clari.alert_delivery where list_contains($alert_keys, alert_key);
