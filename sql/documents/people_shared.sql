-- Grain: one row a CRM person that the document shows under several ids.
select crm_user_id, array_agg(user_id order by user_id) as user_ids
from stage_user
where crm_user_id is not null
group by crm_user_id
having count(*) > 1
order by crm_user_id
limit 20;
