-- name: forecast_user, person: name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, is_top
-- The people of a forecast as newest known, made from the sightings of all its quarters. Of a person's team the newest
-- quarter tells that has shown him: an older one, exported as often and often seconds later, tells of a team that was.
-- A quarter whose entries alone name a person tells nothing of the team.
delete from clari.forecast_user where forecast_id = $forecast_id;

insert into clari.forecast_user (forecast_id, user_id, {person}, in_latest_export, last_seen_at)
-- Of two exports as of one moment the one submitted later is the newer.
with newest as (
    select sighting.*, max(sighting.last_seen_at) over (partition by sighting.user_id) as last_shown_at
    from clari.forecast_user_sighting as sighting
    left join clari.export_job as shown_by on shown_by.job_id = sighting.job_id
    where sighting.forecast_id = $forecast_id
    qualify
        row_number() over (
            partition by sighting.user_id
            order by
                case when coalesce(sighting.name, sighting.email, sighting.role_id) is null then 1 else 0 end,
                sighting.quarter_id desc,
                sighting.last_seen_at desc,
                sighting.first_seen_at desc,
                shown_by.submitted_at desc,
                shown_by.request_id desc
        ) = 1
),

-- The newest quarter alone says who is still there: older quarters are exported less and less.
newest_quarter as (
    select max(quarter_id) as quarter_id from clari.forecast_user_sighting where forecast_id = $forecast_id
),

-- By its types, as in forecast_user_sighting, a later export could have shown the person, too.
still_there as (
    select distinct sighting.user_id
    from clari.forecast_user_sighting as sighting
    inner join newest_quarter on newest_quarter.quarter_id = sighting.quarter_id
    left join clari.export_job as shown_by on shown_by.job_id = sighting.job_id
    left join clari.export_job as later
        on
            later.forecast_id = $forecast_id
            and later.time_period_id = sighting.quarter_id
            and later.state = 'LOADED'
            and (
                later.exported_at > sighting.last_seen_at
                or (later.exported_at = sighting.last_seen_at and later.submitted_at > shown_by.submitted_at)
            )
            and (later.scope_id is null or later.scope_id = shown_by.scope_id)
            and ',' || replace(later.types_to_export, ',', ',,') || ','
            like '%,' || replace(shown_by.types_to_export, ',', ',%,') || ',%'
    where sighting.forecast_id = $forecast_id and later.job_id is null
)

select
    forecast_id, user_id, {person},
    user_id in (select still_there.user_id from still_there) as in_latest_export,
    last_shown_at
from newest;

delete from clari.forecast_user_history where forecast_id = $forecast_id;

insert into clari.forecast_user_history (forecast_id, user_id, {person}, valid_from, valid_to)
-- A quarter whose entries alone name a person tells nothing, unless no other tells more.
with recorded as (
    select
        *,
        case when coalesce(name, email, role_id) is null then 0 else 1 end as has_record,
        max(case when coalesce(name, email, role_id) is null then 0 else 1 end) over (partition by user_id) as has_any
    from clari.forecast_user_sighting
    where forecast_id = $forecast_id
),

-- Which quarter was the newest that had shown the person by then.
seen as (
    select
        *,
        max(quarter_id) over (partition by user_id order by first_seen_at) as newest_quarter_id
    from recorded
    where has_record = has_any
),

point as (
    select sighting.*
    from seen as sighting
    left join clari.export_job as shown_by on shown_by.job_id = sighting.job_id
    where sighting.quarter_id = sighting.newest_quarter_id
    qualify
        row_number() over (
            partition by sighting.user_id, sighting.first_seen_at
            order by sighting.last_seen_at desc, shown_by.submitted_at desc, shown_by.request_id desc
        ) = 1
),

compared as (
    select
        *,
        lag(user_id) over (partition by user_id order by first_seen_at) is null
        or {person: * is distinct from lag(*) over (partition by user_id order by first_seen_at) or} as is_version
    from point
),

version as (select * from compared where is_version)

select
    forecast_id, user_id, {person},
    first_seen_at as valid_from,
    lead(first_seen_at) over (partition by user_id order by first_seen_at) as valid_to
from version;
