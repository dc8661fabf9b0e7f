-- Grain: one row a forecast, or other product, that holds people of the sandbox: their addresses end in .example, which
-- nobody's do.
select forecast_id, count(*) as people
from clari.forecast_user
where lower(email) like '%.example'
group by forecast_id
union all
select 'audit', count(*)
from clari.audit_actor
where lower(email) like '%.example'
having count(*) > 0
union all
select 'activity', count(distinct participant_id)
from clari.activity_participant
where is_internal and lower(email) like '%.example'
having count(*) > 0
order by forecast_id;
