insert into clari.alert_delivery (alert_key, channel_id, delivered_at) values ($alert_key, $channel_id, $delivered_at);
