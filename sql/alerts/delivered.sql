insert into clari.alert_delivery values ($alert_key, $channel_id, $delivered_at);
