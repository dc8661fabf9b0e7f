-- Grain: one row: colleagues in the document whose addresses end in .example, which nobody's do but those of a sandbox.
select count(distinct participant_id) as people
from stage_activity_participant
where is_internal and lower(email) like '%.example';
