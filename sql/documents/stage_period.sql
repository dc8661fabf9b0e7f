-- Grain: one row a field of the document, those included that only its entries name.
create or replace temp table stage_field as
select field_id, max(field_name) as field_name, max(field_type) as field_type
from (
    select nullif(field_id, '') as field_id, nullif(field_name, '') as field_name, nullif(field_type, '') as field_type
    from raw_field
    union all
    select field_id, null, null from stage_entry
)
where field_id is not null
group by field_id;

-- Grain: one row a period that the document delivers, listed or named by its entries.
create or replace temp table stage_time_period as
select
    time_period_id,
    upper(max(nullif(period_type, ''))) as period_type,
    max(nullif(label, '')) as label,
    max(try_cast(year as integer)) as year,
    max(as_day(start_date)) as start_date,
    max(as_day(end_date)) as end_date,
    max(nullif(crm_id, '')) as crm_id
from (
    select * from raw_time_period
    union all
    select time_period_id, null, null, null, null, null, null from stage_entry
)
where nullif(time_period_id, '') is not null
group by time_period_id;

-- Grain: one row a week that the document delivers, listed or named by its entries.
create or replace temp table stage_week as
select time_frame_id, max(as_day(start_date)) as start_date, max(as_day(end_date)) as end_date
from (
    select * from raw_time_frame
    union all
    select time_frame_id, null, null from stage_entry
)
where nullif(time_frame_id, '') is not null
group by time_frame_id;

-- Grain: one row a period and week. Clari lists weeks without their period: a week belongs to the periods
-- whose entries use it, and to those that its days touch.
create or replace temp table stage_time_frame as
select period.time_period_id, week.time_frame_id, week.start_date, week.end_date
from stage_time_period as period
cross join stage_week as week
where
    (select count(*) from stage_time_period) = 1
    or (week.start_date <= period.end_date and week.end_date >= period.start_date)
    or exists (
        select 1
        from stage_entry as entry
        where entry.time_period_id = period.time_period_id and entry.time_frame_id = week.time_frame_id
    );

-- Grain: one row a period and week of which the document has an entry.
create or replace temp table stage_shown_week as
select distinct time_period_id, time_frame_id from stage_entry;
