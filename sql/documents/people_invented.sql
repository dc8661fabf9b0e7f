-- Grain: one row: people of the document whose addresses end in .example, which nobody's do but those of a sandbox.
select count(*) as people
from stage_user
where lower(email) like '%.example';
