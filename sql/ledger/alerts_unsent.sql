-- Alerts that are still to be sent: what is older than a week is not sent any more.
select count(*) as alerts from clari.alert where sent_at is null and created_at > current_timestamp - interval 7 day;
