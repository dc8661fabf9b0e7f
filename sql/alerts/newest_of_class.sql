select * from clari.alert where alert_class = $alert_class order by created_at desc, alert_key desc limit 1;
