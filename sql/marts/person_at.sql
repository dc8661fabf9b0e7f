-- The people whom an export showed, as it showed them, from person_shown of its moment.
insert into person_at (job_id, user_id, crm_user_id, name, email, role_id, role_name, parent_role_id)
select $job_id, user_id, crm_user_id, name, email, role_id, role_name, parent_role_id
from person_shown
where is_shown;
