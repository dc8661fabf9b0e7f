-- Once every channel has taken it, it is sent.
update clari.alert
set
    attempts = attempts + 1,
    last_error = $last_error,
    sent_at = case when $is_sent then $at else sent_at end
where alert_key = $alert_key;
