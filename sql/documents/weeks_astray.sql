-- Grain: one row a period's week whose days do not touch the period's, end before they begin, are more than the period
-- has (of 5/10 to 11/10 whoever writes the day first makes half a year), or are not the same throughout the document. The day before a period touches it: there stands what it begins with [spec].
select
    week.time_period_id,
    week.time_frame_id,
    week.start_date,
    week.end_date,
    period.start_date as period_start_date,
    period.end_date as period_end_date,
    case
        when week.end_date < week.start_date then 'ends before it begins'
        when
            week.start_date > period.end_date
            or coalesce(week.end_date, week.start_date + 6) < period.start_date - 1
            then 'lies outside its period'
        when week.end_date - week.start_date > period.end_date - period.start_date + 6 then 'is longer than its period'
        else 'has several days'
    end as fault
from stage_time_frame as week
inner join stage_time_period as period on period.time_period_id = week.time_period_id
where
    week.end_date < week.start_date
    or week.start_date > period.end_date
    or coalesce(week.end_date, week.start_date + 6) < period.start_date - 1
    or week.end_date - week.start_date > period.end_date - period.start_date + 6
    or (
        select count(*)
        from stage_week as listed
        where
            listed.time_frame_id = week.time_frame_id
            and (
                listed.time_period_id = week.time_period_id
                or (listed.time_period_id is null and (select count(*) from stage_time_period) = 1)
            )
    ) > 1
order by week.time_period_id, week.start_date, week.time_frame_id;
