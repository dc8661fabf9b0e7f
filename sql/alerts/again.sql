-- An alert is to be sent once more, to every channel.
delete from clari.alert_delivery where alert_key = $alert_key;

update clari.alert set sent_at = null where alert_key = $alert_key;
