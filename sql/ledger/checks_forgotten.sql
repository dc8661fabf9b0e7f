-- An export's verdicts of these checks are to be replaced: judged once.
delete from clari.export_check where request_id = $request_id and list_contains($check_names, check_name);
