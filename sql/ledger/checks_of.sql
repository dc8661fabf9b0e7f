select check_name, passed, severity, cast(evidence as varchar) as evidence
from clari.export_check
where request_id = $request_id
order by check_name;
