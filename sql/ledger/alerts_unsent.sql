select count(*) as alerts from clari.alert where sent_at is null;
