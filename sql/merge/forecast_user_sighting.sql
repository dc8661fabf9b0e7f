-- name: forecast_user_sighting, person: name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name
-- A run of exports of one quarter that showed a person with the same attributes is one row: all of these that could
-- have shown the person, of the same scope or of none, and of the same types.
-- An export of a scope says nothing of who stands above it; one without a person's own record nothing of the person.
create or replace temp table user_run as
select
    sighting.*,
    shown_by.scope_id as asked_scope_id,
    -- Types are sorted: ",quota," of one is like "%,forecast,%,quota,%" of the other if it has all of them.
    '%,' || replace(shown_by.types_to_export, ',', ',%,') || ',%' as asked_types
from clari.forecast_user_sighting as sighting
inner join stage_user as person on person.user_id = sighting.user_id
left join clari.export_job as shown_by on shown_by.job_id = sighting.job_id
where sighting.forecast_id = $forecast_id and sighting.quarter_id = $quarter_id
qualify row_number() over (partition by sighting.user_id order by sighting.last_seen_at desc, sighting.first_seen_at desc) = 1;

create or replace temp table user_shown as
select
    person.user_id,
    {person: case when record.is_missing then run.* else person.* end as *,},
    case
        when record.is_missing or cast($scope_id as varchar) is not null then coalesce(run.is_top, false)
        else person.is_top
    end as is_top
from stage_user as person
inner join (select user_id, coalesce({person}) is null as is_missing from stage_user) as record using (user_id)
left join user_run as run using (user_id);

create or replace temp table user_change as
with other as (
    select scope_id, ',' || replace(types_to_export, ',', ',,') || ',' as types, max(exported_at) as last_exported_at
    from clari.export_job
    where
        forecast_id = $forecast_id
        and time_period_id = $quarter_id
        and state = 'LOADED'
        and exported_at < $exported_at
    group by scope_id, types_to_export
),

missed as (
    select distinct run.user_id
    from user_run as run
    inner join other
        on
            other.last_exported_at > run.last_seen_at
            and (other.scope_id is null or other.scope_id = run.asked_scope_id)
            and other.types like run.asked_types
)

select person.*, run.first_seen_at
from user_shown as person
left join missed on missed.user_id = person.user_id
left join user_run as run
    on
        run.user_id = person.user_id
        and missed.user_id is null
        and {person: run.* is not distinct from person.* and}
        and run.is_top is not distinct from person.is_top;

update clari.forecast_user_sighting as sighting
set last_seen_at = $exported_at, job_id = $job_id
from user_change as change
where
    sighting.forecast_id = $forecast_id
    and sighting.quarter_id = $quarter_id
    and sighting.user_id = change.user_id and sighting.first_seen_at = change.first_seen_at;

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
    forecast_id, quarter_id, user_id, {person}, is_top, first_seen_at, last_seen_at, job_id
)
select
    $forecast_id, $quarter_id, user_id, {person}, is_top, $exported_at, $exported_at, $job_id
from user_change
where first_seen_at is null;
