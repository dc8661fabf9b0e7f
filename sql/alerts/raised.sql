-- An alert is written down before it is sent, each occurrence once.
insert into clari.alert (alert_key, alert_class, kind, severity, title, body, created_at, run_id, detail)
select $alert_key, $alert_class, $kind, $severity, $title, $body, $created_at, $run_id, $detail
where not exists (select 1 from clari.alert where alert_key = $alert_key);
