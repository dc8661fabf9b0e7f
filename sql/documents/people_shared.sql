-- Grain: one row a person that the document shows under several ids: of one CRM id, or of one email.
with shown as (
    select user_id, crm_user_id, email from stage_user
),

shared as (
    select crm_user_id, cast(null as varchar) as email, array_agg(user_id order by user_id) as user_ids
    from shown
    where crm_user_id is not null
    group by crm_user_id
    having count(*) > 1
    union all
    select null, email, array_agg(user_id order by user_id)
    from shown
    where email is not null
    group by email
    having count(*) > 1 and (count(crm_user_id) < count(*) or count(distinct crm_user_id) > 1)
)

select crm_user_id, email, user_ids
from shared
order by crm_user_id, email
limit 20;
