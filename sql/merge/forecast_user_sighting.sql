-- A run of exports of one quarter that showed a person with the same attributes is one row.
create or replace temp table user_run as
select sighting.*
from clari.forecast_user_sighting as sighting
inner join stage_user as person on person.user_id = sighting.user_id
where sighting.forecast_id = $forecast_id and sighting.quarter_id = $quarter_id
qualify row_number() over (partition by sighting.user_id order by sighting.last_seen_at desc, sighting.first_seen_at desc) = 1;

create or replace temp table user_change as
select person.*, run.first_seen_at
from stage_user as person
left join user_run as run
    on
        run.user_id = person.user_id
        and run.name is not distinct from person.name
        and run.email is not distinct from person.email
        and run.crm_user_id is not distinct from person.crm_user_id
        and run.scope_id is not distinct from person.scope_id
        and run.role_id is not distinct from person.role_id
        and run.role_name is not distinct from person.role_name
        and run.parent_role_id is not distinct from person.parent_role_id
        and run.parent_role_name is not distinct from person.parent_role_name
        and run.is_top is not distinct from person.is_top;

update clari.forecast_user_sighting as sighting
set last_seen_at = $exported_at, job_id = $job_id
from user_change as change
where
    sighting.forecast_id = $forecast_id
    and sighting.quarter_id = $quarter_id
    and sighting.user_id = change.user_id
    and sighting.first_seen_at = change.first_seen_at;

-- Two exports as of the same moment: the one submitted later stands.
delete from clari.forecast_user_sighting as sighting
using user_change as change
where
    sighting.forecast_id = $forecast_id
    and sighting.quarter_id = $quarter_id
    and sighting.user_id = change.user_id
    and sighting.first_seen_at = $exported_at
    and change.first_seen_at is null;

insert into clari.forecast_user_sighting (
    forecast_id,
    quarter_id,
    user_id,
    name,
    email,
    crm_user_id,
    scope_id,
    role_id,
    role_name,
    parent_role_id,
    parent_role_name,
    is_top,
    first_seen_at,
    last_seen_at,
    job_id
)
select
    $forecast_id,
    $quarter_id,
    user_id,
    name,
    email,
    crm_user_id,
    scope_id,
    role_id,
    role_name,
    parent_role_id,
    parent_role_name,
    is_top,
    $exported_at,
    $exported_at,
    $job_id
from user_change
where first_seen_at is null;
