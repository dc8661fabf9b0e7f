-- Grain: one row per person: who stood where at a moment, as the newest export of the quarter itself had shown it by then.
-- Whom that quarter never listed is told by the forecast's others. Each sync exports past quarters beside the current
-- one, and last quarter's weeks belong to last quarter's team.
create or replace temp table week_person as
with shown as (
    select user_id, name, email, role_id, role_name, parent_role_id, parent_role_name, is_top
    from clari.forecast_user_sighting
    where
        forecast_id = $forecast_id
        and quarter_id = $quarter_id
        and first_seen_at <= $as_of
        and (name is not null or role_id is not null)
    qualify row_number() over (partition by user_id order by first_seen_at desc, last_seen_at desc) = 1
)

select user_id, name, email, role_id, role_name, parent_role_id, parent_role_name, is_top
from shown
union all
select user_id, name, email, role_id, role_name, parent_role_id, parent_role_name, is_top
from clari.forecast_user_history
where
    forecast_id = $forecast_id
    and valid_from <= $as_of
    and (valid_to > $as_of or valid_to is null)
    and user_id not in (select shown.user_id from shown);
