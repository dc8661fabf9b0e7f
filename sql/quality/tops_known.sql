-- Grain: one row a person at the top of the hierarchy, from person_shown: exports of a scope do not decide who stands there.
select user_id, name, email
from person_shown
where is_top and is_shown
order by user_id
limit 20;
