-- A release before kept weeks by period and id alone: each forecast gets those of which it has entries, those that its own
-- exports described, and of the others those that touch none of its own. Its next merge gives them its own days.
insert into clari.forecast_time_frame (
    forecast_id, time_period_id, time_frame_id, start_date, end_date, last_seen_at, job_id, quarter_id
)
with loaded as (
    select forecast_id, time_period_id as quarter_id, job_id, exported_at
    from clari.export_job
    where state = 'LOADED'
    qualify
        row_number() over (
            partition by forecast_id, time_period_id
            order by exported_at desc, submitted_at desc, request_id desc
        ) = 1
),

shown as (select distinct forecast_id, time_period_id, time_frame_id from clari.forecast_entry_state),

listed as (
    select
        loaded.forecast_id, loaded.quarter_id, week.time_period_id, week.time_frame_id, week.start_date, week.end_date,
        loaded.exported_at, loaded.job_id,
        shown.time_frame_id is not null as is_shown,
        coalesce(describer.forecast_id = loaded.forecast_id, true) as is_described
    from loaded
    inner join clari.time_period as period on period.quarter_id = loaded.quarter_id
    inner join clari.time_frame as week on week.time_period_id = period.time_period_id
    left join shown
        on
            shown.forecast_id = loaded.forecast_id
            and shown.time_period_id = week.time_period_id
            and shown.time_frame_id = week.time_frame_id
    left join clari.export_job as describer on describer.job_id = week.job_id
    left join (
        select distinct forecast_id, time_period_id from clari.forecast_time_frame
    ) as held on held.forecast_id = loaded.forecast_id and held.time_period_id = week.time_period_id
    where held.forecast_id is null
),

touching as (
    select distinct week.forecast_id, week.time_period_id, week.time_frame_id
    from listed as week
    inner join listed as mine
        on
            mine.forecast_id = week.forecast_id and mine.time_period_id = week.time_period_id
            and mine.is_shown
            and mine.start_date <= coalesce(week.end_date, week.start_date + 6)
            and coalesce(mine.end_date, mine.start_date + 6) >= week.start_date
    where not week.is_shown
)

select
    listed.forecast_id, listed.time_period_id, listed.time_frame_id, listed.start_date, listed.end_date,
    listed.exported_at, listed.job_id, listed.quarter_id
from listed
left join touching using (forecast_id, time_period_id, time_frame_id)
where
    listed.is_shown
    or (listed.start_date is null and listed.is_described)
    or (listed.start_date is not null and touching.forecast_id is null);
