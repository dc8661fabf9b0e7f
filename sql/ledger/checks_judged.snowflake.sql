-- Verdicts on an export, one a place of the lists; the ones before them are gone already.
insert into clari.export_check (request_id, check_name, passed, severity, evidence, checked_at)
select
    $request_id,
    verdict.value[0]::varchar,
    verdict.value[1]::boolean,
    verdict.value[2]::varchar,
    parse_json(verdict.value[3]::varchar),
    $checked_at
from table(flatten(input => parse_json($verdicts__json))) as verdict;
