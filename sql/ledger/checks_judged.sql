-- Verdicts on an export, one a place of the lists; the ones before them are gone already.
insert into clari.export_check (request_id, check_name, passed, severity, evidence, checked_at)
select $request_id, check_name, passed, severity, cast(evidence as json), $checked_at
from (
    select
        unnest(cast($check_names as varchar [])) as check_name,
        unnest(cast($passed as boolean [])) as passed,
        unnest(cast($severities as varchar [])) as severity,
        unnest(cast($evidence as varchar [])) as evidence
) as verdict;
