-- Grain: one row a forecast that holds people of the sandbox: their addresses end in .example, which nobody's do.
select forecast_id, count(*) as people
from clari.forecast_user
where lower(email) like '%.example'
group by forecast_id
order by forecast_id;
