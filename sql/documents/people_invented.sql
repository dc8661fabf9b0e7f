-- Grain: one row: people of the document, where every address ends in .example, as nobody's do but a sandbox's; else 0.
select case when bool_and(lower(email) like '%.example') then count(*) else 0 end as people
from stage_user
where nullif(email, '') is not null;
