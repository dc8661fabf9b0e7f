-- Exact duplicates become one entry; what then still shares its key is in conflict.
create or replace temp table stage_entry as
with distinct_entry as (
    select * exclude (entry_no, copies), cast(sum(copies) as bigint) as copies
    from stage_entry
    group by all
)

select row_number() over () as entry_no, *
from distinct_entry;

insert into stage_conflict (field_id, time_frame_id, time_period_id, user_id, versions)
select field_id, time_frame_id, time_period_id, user_id, count(*)
from stage_entry
where field_id is not null and time_frame_id is not null and time_period_id is not null and user_id is not null
group by all
having count(*) > 1;
