-- Grain: one row: colleagues in the document, where every address of theirs ends in .example, as nobody's do but a
-- sandbox's; else 0.
select case when bool_and(lower(email) like '%.example') then count(distinct participant_id) else 0 end as people
from stage_activity_participant
where is_internal and nullif(email, '') is not null;
