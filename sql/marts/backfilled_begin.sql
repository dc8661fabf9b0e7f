-- Of these weeks nothing stands any more: neither calls nor movements. A week is named with its period, as ids repeat.
delete from clari.forecast_call_week
where
    forecast_id = $forecast_id
    and list_contains($weeks, time_period_id || ' ' || time_frame_id)
    and time_period_id in (select period.time_period_id from clari.time_period as period where period.quarter_id = $quarter_id);

delete from clari.forecast_movement
where
    forecast_id = $forecast_id
    and list_contains($weeks, time_period_id || ' ' || time_frame_id)
    and time_period_id in (select period.time_period_id from clari.time_period as period where period.quarter_id = $quarter_id);

delete from clari.mart_part_version
where forecast_id = $forecast_id and quarter_id = $quarter_id and list_contains($parts, part);

-- Whose calls of what these weeks can hold. weeks_told: of these weeks, those of which an entry is; weeks_due: all from
-- the first entry on. Where the two are equal nothing has to be looked for in a week before.
create or replace temp table backfilled_place as
with asked as (
    select time_period_id, time_frame_id, position
    from forecast_week
    where list_contains($weeks, time_period_id || ' ' || time_frame_id)
),

place as (
    select
        entry.time_period_id, entry.user_id, entry.field_id,
        bool_or(entry.is_present) as is_present,
        bool_or(entry.forecast_value is not null) as has_call,
        min(week.position) as first_position,
        count(asked.position) as weeks_told
    from clari.forecast_entry_history as entry
    inner join forecast_week as week using (time_period_id, time_frame_id)
    left join asked on asked.time_period_id = entry.time_period_id and asked.time_frame_id = entry.time_frame_id
    where
        entry.forecast_id = $forecast_id
        and entry.time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
        and entry.valid_from <= $as_of
        and (entry.valid_to > $as_of or entry.valid_to is null)
    group by entry.time_period_id, entry.user_id, entry.field_id
),

due as (
    select first.time_period_id, first.first_position, count(asked.position) as weeks_due
    from (select distinct time_period_id, first_position from place) as first
    left join asked
        on asked.time_period_id = first.time_period_id and asked.position >= first.first_position
    group by first.time_period_id, first.first_position
)

select place.*, due.weeks_due
from place
inner join due on due.time_period_id = place.time_period_id and due.first_position = place.first_position;
