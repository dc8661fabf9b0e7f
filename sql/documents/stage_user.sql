-- Grain: one row a person of the document, those included that only its entries name.
create or replace temp table stage_user as
with listed as (
    select
        user_id,
        nullif(name, '') as name,
        nullif(email, '') as email,
        nullif(crm_user_id, '') as crm_user_id,
        nullif(scope_id, '') as scope_id,
        nullif(role_id, '') as role_id,
        nullif(role_name, '') as role_name,
        nullif(parent_role_id, '') as parent_role_id,
        nullif(parent_role_name, '') as parent_role_name
    from raw_user
    where nullif(user_id, '') is not null
    -- Listed twice: the same row whatever the order of the document.
    qualify row_number() over (partition by user_id order by name, email, crm_user_id, scope_id, role_id, parent_role_id) = 1
),
roles as (
    select distinct role_id from listed where role_id is not null
)
select
    listed.*,
    role_id is not null
    and (parent_role_id is null or parent_role_id not in (select roles.role_id from roles)) as is_top
from listed
union all
select distinct user_id, null, null, null, null, null, null, null, null, false
from stage_entry
where user_id is not null and user_id not in (select listed.user_id from listed);
