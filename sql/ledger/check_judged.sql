-- Judged once: a verdict on the same export replaces the one before.
delete from clari.export_check where request_id = $request_id and check_name = $check_name;

insert into clari.export_check (request_id, check_name, passed, severity, evidence, checked_at)
values ($request_id, $check_name, $passed, $severity, cast($evidence as json), $checked_at);
