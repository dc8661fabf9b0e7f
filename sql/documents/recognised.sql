-- The staged entries under the ids by which people, fields, periods and weeks are known, and the lists likewise.
create or replace temp table stage_entry as
select
    entry.* replace (
        coalesce(person.known_id, entry.user_id) as user_id,
        coalesce(updater.known_id, entry.updated_by) as updated_by,
        coalesce(adjuster.known_id, entry.adjusted_by) as adjusted_by,
        coalesce(field.known_id, entry.field_id) as field_id,
        coalesce(period.known_id, entry.time_period_id) as time_period_id,
        coalesce(week.known_id, entry.time_frame_id) as time_frame_id
    )
from stage_entry as entry
left join same_person as person on person.written_id = entry.user_id
left join same_person as updater on updater.written_id = entry.updated_by
left join same_person as adjuster on adjuster.written_id = entry.adjusted_by
left join same_field as field on field.written_id = entry.field_id
left join same_period as period on period.written_id = entry.time_period_id
left join same_week as week
    on week.time_period_id = coalesce(period.known_id, entry.time_period_id) and week.written_id = entry.time_frame_id;

create or replace temp table stage_left_out as
select left_out.* replace (coalesce(field.known_id, left_out.field_id) as field_id)
from stage_left_out as left_out
left join same_field as field on field.written_id = left_out.field_id;

create or replace temp table stage_shown_week as
select distinct time_period_id, time_frame_id from stage_entry;
