-- A verdict on an export; the one before it is gone already.
insert into clari.export_check (request_id, check_name, passed, severity, evidence, checked_at)
values ($request_id, $check_name, $passed, $severity, cast($evidence as json), $checked_at);
