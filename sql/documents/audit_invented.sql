-- Grain: one row: actors of the document whose addresses end in .example, which nobody's do but those of a sandbox.
select count(distinct actor_id) as people
from stage_audit_actor
where lower(email) like '%.example';
