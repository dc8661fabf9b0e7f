-- Grain: one row per person of the quarter, as exports had shown them by a moment, and whether any export since then could
-- have shown them and did not: one of the same scope or of none, that asked for the same types or more. Of two exports
-- as of one moment the one submitted later is the newer.
create or replace temp table person_shown as
with told as (
    select scope_id, ',' || replace(types_to_export, ',', ',,') || ',' as types, exported_at as told_at, submitted_at
    from clari.export_job
    where forecast_id = $forecast_id and time_period_id = $quarter_id and state = 'LOADED' and exported_at <= $as_of
    qualify row_number() over (partition by scope_id, types_to_export order by exported_at desc, submitted_at desc) = 1
),

seen as (
    select
        sighting.*,
        shown_by.scope_id as asked_scope_id,
        shown_by.submitted_at as asked_at,
        -- Types are sorted: ",quota," of one is like "%,forecast,%,quota,%" of the other if it has all of them.
        '%,' || replace(shown_by.types_to_export, ',', ',%,') || ',%' as asked_types
    from clari.forecast_user_sighting as sighting
    left join clari.export_job as shown_by on shown_by.job_id = sighting.job_id
    where sighting.forecast_id = $forecast_id and sighting.quarter_id = $quarter_id and sighting.first_seen_at <= $as_of
    qualify
        row_number() over (
            partition by sighting.user_id
            order by
                sighting.first_seen_at desc,
                sighting.last_seen_at desc,
                shown_by.submitted_at desc,
                shown_by.request_id desc
        ) = 1
),

missed as (
    select distinct seen.user_id
    from seen
    inner join told
        on
            (told.told_at > seen.last_seen_at or (told.told_at = seen.last_seen_at and told.submitted_at > seen.asked_at))
            and (told.scope_id is null or told.scope_id = seen.asked_scope_id)
            and told.types like seen.asked_types
)

select
    seen.user_id, seen.crm_user_id, seen.name, seen.email, seen.role_id, seen.role_name, seen.parent_role_id,
    seen.parent_role_name, seen.is_top,
    missed.user_id is null as is_shown
from seen
left join missed on missed.user_id = seen.user_id;
