-- Grain: one row a person of the quarter, as the newest export that showed the person did. asked_scope_id is that
-- export's scope; is_shown: no newer one of that scope came since.
with newest as (
    select
        sighting.user_id,
        sighting.name,
        sighting.email,
        sighting.crm_user_id,
        sighting.scope_id,
        sighting.role_id,
        sighting.role_name,
        sighting.parent_role_id,
        sighting.parent_role_name,
        sighting.last_seen_at,
        shown_by.scope_id as asked_scope_id
    from clari.forecast_user_sighting as sighting
    left join clari.export_job as shown_by on shown_by.job_id = sighting.job_id
    where sighting.forecast_id = $forecast_id and sighting.quarter_id = $quarter_id
    qualify row_number() over (partition by sighting.user_id order by sighting.last_seen_at desc, sighting.first_seen_at desc) = 1
)

select
    user_id,
    name,
    email,
    crm_user_id,
    scope_id,
    role_id,
    role_name,
    parent_role_id,
    parent_role_name,
    asked_scope_id,
    last_seen_at = max(last_seen_at) over (partition by asked_scope_id) as is_shown
from newest
order by user_id;
