-- Grain: one row per field of the document, those included that only its entries name.
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

-- Grain: one row per period that the document delivers, listed or named by its entries. is_around: it lies around the
-- quarter asked for, as its year does: by its days, which reach further, or by the id of the quarter's fiscal year.
create or replace temp table stage_time_period as
with delivered as (
    select
        time_period_id,
        upper(max(nullif(period_type, ''))) as period_type,
        max(nullif(label, '')) as label,
        max(try_cast(year as integer)) as year,
        max(cast(start_date as date)) as start_date,
        max(cast(end_date as date)) as end_date,
        max(nullif(crm_id, '')) as crm_id
    from (
        select * from raw_time_period
        union all
        select time_period_id, null, null, null, null, null, null from stage_entry
    )
    where nullif(time_period_id, '') is not null
    group by time_period_id
),

quarter as (
    select
        coalesce(max(start_date), cast($quarter_start as date)) as start_date,
        coalesce(max(end_date), cast($quarter_end as date)) as end_date
    from delivered
    where time_period_id = $quarter_id
)

select
    delivered.*,
    coalesce(
        delivered.time_period_id <> $quarter_id
        and delivered.period_type is distinct from 'QUARTER'
        and (
            delivered.time_period_id = $fiscal_year
            or (
                delivered.start_date <= quarter.start_date
                and delivered.end_date >= quarter.end_date
                and (delivered.start_date < quarter.start_date or delivered.end_date > quarter.end_date)
            )
        ),
        false
    ) as is_around
from delivered
cross join quarter;

-- Grain: one row per week as the document lists it, or as its entries name it: of one id there may be several, where
-- weeks are numbered within months, and time_period_id says which period's it is where the document does.
create or replace temp table stage_week as
select
    time_frame_id,
    nullif(time_period_id, '') as time_period_id,
    cast(start_date as date) as start_date,
    cast(end_date as date) as end_date
from raw_time_frame
where nullif(time_frame_id, '') is not null
union
select time_frame_id, null, null, null
from stage_entry
where
    nullif(time_frame_id, '') is not null
    and time_frame_id not in (
        select listed.time_frame_id from raw_time_frame as listed where listed.time_frame_id is not null
    );

-- Grain: one row per period and week that the document shows. Clari lists weeks without their period: a week belongs to
-- the periods whose entries use it, and to those that its days touch, or else to the quarter asked for. Of several weeks
-- with one id the first belongs to the first of these periods, and so on; a period around the quarter comes last.
create or replace temp table stage_time_frame as
with used as (
    select distinct time_period_id, time_frame_id
    from stage_entry
    where time_frame_id is not null
),

candidate as (
    select
        period.time_period_id, week.time_frame_id, week.start_date, week.end_date,
        week.time_period_id is not null as is_named,
        coalesce(week.start_date <= period.end_date and week.end_date >= period.start_date, false) as is_touching,
        dense_rank() over (partition by week.time_frame_id order by week.start_date, week.end_date)
        = dense_rank() over (partition by week.time_frame_id order by period.is_around, period.start_date, period.time_period_id)
        as is_in_turn
    from stage_time_period as period
    inner join stage_week as week on week.time_period_id is null or week.time_period_id = period.time_period_id
    left join used on used.time_period_id = period.time_period_id and used.time_frame_id = week.time_frame_id
    where
        week.time_period_id is not null
        or used.time_frame_id is not null
        or (
            (select count(*) from stage_time_period where not is_around) = 1
            and not period.is_around
            and week.time_frame_id not in (select elsewhere.time_frame_id from used as elsewhere)
        )
        or (week.start_date <= period.end_date and week.end_date >= period.start_date)
        or (
            period.time_period_id = $quarter_id
            and not exists (
                select 1
                from stage_time_period as other
                left join used as theirs
                    on theirs.time_period_id = other.time_period_id and theirs.time_frame_id = week.time_frame_id
                where
                    theirs.time_frame_id is not null
                    or (
                        not other.is_around
                        and week.start_date <= other.end_date and week.end_date >= other.start_date
                    )
            )
        )
)

select time_period_id, time_frame_id, start_date, end_date
from candidate
qualify
    row_number() over (
        partition by time_period_id, time_frame_id
        order by is_named desc, is_in_turn desc, is_touching desc, start_date nulls last, end_date nulls last
    ) = 1;

-- A week that only a period around the quarter has is none of the quarter's: no call is of it.
delete from stage_week as week
where
    week.time_frame_id in (
        select frame.time_frame_id
        from stage_time_frame as frame
        inner join stage_time_period as period on period.time_period_id = frame.time_period_id
        group by frame.time_frame_id
        having bool_and(period.is_around)
    );

-- Grain: one row per period and week of which the document has an entry.
create or replace temp table stage_shown_week as
select distinct time_period_id, time_frame_id from stage_entry;
