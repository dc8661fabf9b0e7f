-- Grain: one row a period of the quarter and week that the forecast lists: those of which it has entries, and what the
-- period's list holds beside them. Where another forecast cuts the period into other weeks, those touch its own.
create or replace temp table forecast_week as
with shown as (
    select distinct time_period_id, time_frame_id
    from clari.forecast_entry_state
    where
        forecast_id = $forecast_id
        and time_period_id in (select period.time_period_id from clari.time_period as period where period.quarter_id = $quarter_id)
),

listed as (
    select
        week.time_period_id,
        week.time_frame_id,
        week.start_date,
        coalesce(week.end_date, week.start_date + 6) as end_date,
        period.end_date as period_end_date,
        shown.time_frame_id is not null as is_shown,
        coalesce(describer.forecast_id = $forecast_id, true) as is_described,
        case
            when translate(week.time_frame_id, '0123456789', '') = '' then lpad(week.time_frame_id, 40, '0')
            else week.time_frame_id
        end as place
    from clari.time_frame as week
    inner join clari.time_period as period on period.time_period_id = week.time_period_id
    left join shown on shown.time_period_id = week.time_period_id and shown.time_frame_id = week.time_frame_id
    left join clari.export_job as describer on describer.job_id = week.job_id
    where period.quarter_id = $quarter_id
),

touching as (
    select distinct listed.time_period_id, listed.time_frame_id
    from listed
    inner join listed as mine
        on
            mine.is_shown
            and mine.time_period_id = listed.time_period_id
            and mine.start_date <= listed.end_date
            and mine.end_date >= listed.start_date
),

own as (
    select listed.*
    from listed
    cross join (
        select count(case when is_shown and start_date is not null then 1 end) > 0 as has_dates from listed
    ) as any_shown
    left join touching
        on touching.time_period_id = listed.time_period_id and touching.time_frame_id = listed.time_frame_id
    where
        listed.is_shown
        or (
            listed.start_date is not null
            and (listed.is_described or any_shown.has_dates)
            and touching.time_frame_id is null
        )
        or (listed.start_date is null and listed.is_described)
)

select
    time_period_id,
    time_frame_id,
    start_date,
    end_date,
    cast(
        row_number() over (
            partition by time_period_id
            order by start_date nulls last, place, time_frame_id
        ) as integer
    ) as week_number,
    cast(greatest(0, coalesce(date_diff('day', end_date, period_end_date) // 7, 0)) as integer) as weeks_to_end
from own;
