-- version: 3, words: 3-b65d8286
create or replace view clari.attainment_pacing as
with zone as (select coalesce(max(time_zone), 'UTC') as time_zone from clari.organisation),

loaded as (
    select
        job.forecast_id, period.time_period_id, period.start_date, period.end_date,
        period.time_period_id = period.quarter_id as is_quarter,
        cast(max(job.exported_at) at time zone zone.time_zone as date) > period.end_date as is_finished
    from clari.export_job as job
    inner join clari.time_period as period on period.quarter_id = job.time_period_id
    cross join zone
    where job.state = 'LOADED'
    group by
        job.forecast_id, period.time_period_id, period.quarter_id, period.start_date, period.end_date, zone.time_zone
),

-- What had closed, of quota and of the end: of an end that is not yet, or is in another currency, nothing is known.
paced as (
    select
        stand.forecast_id, stand.time_period_id, stand.time_frame_id, stand.user_id, stand.field_id, stand.week_number,
        stand.week_start_date, stand.week_end_date, stand.weeks_to_end, stand.user_name, stand.role_name, stand.is_top,
        stand.is_week_over, stand.is_backfilled, stand.crm_closed, stand.quota_value,
        cast(clari.fraction(stand.crm_closed, stand.quota_value) as decimal(18, 6)) as attainment_pct,
        final.crm_closed as final_closed,
        cast(clari.fraction(stand.crm_closed, final.crm_closed) as decimal(18, 6)) as closed_to_final_pct,
        stand.currency_code, stand.field_name
    from clari.forecast_call_week as stand
    inner join loaded on loaded.forecast_id = stand.forecast_id and loaded.time_period_id = stand.time_period_id
    left join clari.forecast_vs_quota as final
        on
            loaded.is_finished
            and final.forecast_id = stand.forecast_id and final.time_period_id = stand.time_period_id
            and final.user_id = stand.user_id and final.field_id = stand.field_id
            and final.in_latest_export
            and coalesce(final.currency_code, '') = coalesce(stand.currency_code, '')
),

-- How many days lie between the end of each week and that of its period.
week as (
    select distinct
        stand.forecast_id, stand.time_period_id, stand.time_frame_id,
        date_diff('day', stand.week_end_date, loaded.end_date) as days_to_end
    from clari.forecast_call_week as stand
    inner join loaded on loaded.forecast_id = stand.forecast_id and loaded.time_period_id = stand.time_period_id
),

-- The period before; of a year ago the one whose first day lies nearest: quarters of 4-4-5 weeks begin on other days.
period_beside as (
    select
        period.forecast_id, period.time_period_id,
        beside.time_period_id as beside_period_id,
        beside.end_date = period.start_date - 1 as is_previous
    from loaded as period
    inner join loaded as beside
        on
            beside.forecast_id = period.forecast_id and beside.is_quarter = period.is_quarter
            and (
                beside.end_date = period.start_date - 1
                or abs(date_diff('day', beside.start_date, cast(period.start_date - interval 1 year as date))) <= 10
            )
    qualify
        row_number() over (
            partition by period.forecast_id, period.time_period_id, beside.end_date = period.start_date - 1
            order by
                abs(date_diff('day', beside.start_date, cast(period.start_date - interval 1 year as date))),
                beside.time_period_id
        ) = 1
),

-- The week of each of these that ends as many days before its period's end: the nearest, at most four days apart.
week_beside as (
    select
        week.forecast_id, week.time_period_id, week.time_frame_id, period_beside.is_previous,
        beside.time_period_id as beside_period_id,
        beside.time_frame_id as beside_frame_id
    from week
    inner join period_beside using (forecast_id, time_period_id)
    inner join week as beside
        on
            beside.forecast_id = period_beside.forecast_id
            and beside.time_period_id = period_beside.beside_period_id
            and abs(beside.days_to_end - week.days_to_end) <= 4
    qualify
        row_number() over (
            partition by week.forecast_id, week.time_period_id, week.time_frame_id, period_beside.is_previous
            order by abs(beside.days_to_end - week.days_to_end), beside.days_to_end, beside.time_frame_id
        ) = 1
),

earlier as (
    select
        week_beside.forecast_id, week_beside.time_period_id, week_beside.time_frame_id, week_beside.is_previous,
        paced.user_id, paced.field_id, paced.attainment_pct, paced.closed_to_final_pct
    from week_beside
    inner join paced
        on
            paced.forecast_id = week_beside.forecast_id
            and paced.time_period_id = week_beside.beside_period_id
            and paced.time_frame_id = week_beside.beside_frame_id
)

select
    paced.forecast_id, paced.time_period_id, paced.time_frame_id, paced.user_id, paced.field_id, paced.week_number,
    paced.week_start_date, paced.week_end_date, paced.weeks_to_end, paced.user_name, paced.role_name, paced.is_top,
    paced.is_week_over, paced.is_backfilled, paced.crm_closed, paced.quota_value, paced.attainment_pct,
    paced.final_closed, paced.closed_to_final_pct,
    previous_period.beside_period_id as previous_period_id,
    previous.attainment_pct as previous_attainment_pct,
    previous.closed_to_final_pct as previous_closed_to_final_pct,
    year_ago_period.beside_period_id as year_ago_period_id,
    year_ago.attainment_pct as year_ago_attainment_pct,
    year_ago.closed_to_final_pct as year_ago_closed_to_final_pct,
    paced.currency_code, paced.field_name
from paced
left join period_beside as previous_period
    on
        previous_period.is_previous
        and previous_period.forecast_id = paced.forecast_id and previous_period.time_period_id = paced.time_period_id
left join period_beside as year_ago_period
    on
        not year_ago_period.is_previous
        and year_ago_period.forecast_id = paced.forecast_id and year_ago_period.time_period_id = paced.time_period_id
left join earlier as previous
    on
        previous.is_previous
        and previous.forecast_id = paced.forecast_id and previous.time_period_id = paced.time_period_id
        and previous.time_frame_id = paced.time_frame_id and previous.user_id = paced.user_id
        and previous.field_id = paced.field_id
left join earlier as year_ago
    on
        not year_ago.is_previous
        and year_ago.forecast_id = paced.forecast_id and year_ago.time_period_id = paced.time_period_id
        and year_ago.time_frame_id = paced.time_frame_id and year_ago.user_id = paced.user_id
        and year_ago.field_id = paced.field_id;

comment on view clari.attainment_pacing is 'One row per forecast, period, week, person and forecast field: what had closed by then, of quota and of what closed in the end, beside the period before and that of a year ago at the same distance from their end';
comment on column clari.attainment_pacing.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.attainment_pacing.time_period_id is 'The entry''s own period: the quarter, or a month inside it';
comment on column clari.attainment_pacing.time_frame_id is 'The week; the same id occurs in several periods';
comment on column clari.attainment_pacing.user_id is 'The person, by Clari''s id';
comment on column clari.attainment_pacing.field_id is 'The forecast field';
comment on column clari.attainment_pacing.week_number is 'Week of the period; 1 is the first';
comment on column clari.attainment_pacing.week_start_date is 'The week''s first day';
comment on column clari.attainment_pacing.week_end_date is 'The week''s last day';
comment on column clari.attainment_pacing.weeks_to_end is 'Whole weeks from the end of the week to the end of the period; 0 may stand on two weeks, where the period ends within one';
comment on column clari.attainment_pacing.user_name is 'Full name, as of that week';
comment on column clari.attainment_pacing.role_name is 'Place in the hierarchy, as of that week';
comment on column clari.attainment_pacing.is_top is 'The one person at the top as of that week, or CLARI_TOP_USER: the organisation''s total';
comment on column clari.attainment_pacing.is_week_over is 'False: the week is still open, and the row holds what has closed so far';
comment on column clari.attainment_pacing.is_backfilled is 'The week had ended before the first export that is held';
comment on column clari.attainment_pacing.crm_closed is 'Closed-won, as known at the week''s end';
comment on column clari.attainment_pacing.quota_value is 'Quota, as known at the week''s end';
comment on column clari.attainment_pacing.attainment_pct is 'crm_closed / quota_value, a fraction: 0.85 is 85 %';
comment on column clari.attainment_pacing.final_closed is 'What was closed in the end (forecast_vs_quota); null until the period is over, and where its newest export no longer shows the person';
comment on column clari.attainment_pacing.closed_to_final_pct is 'crm_closed / final_closed, a fraction: 0.85 is 85 %; null until the period is over';
comment on column clari.attainment_pacing.previous_period_id is 'The quarter (of a month: the month) that ended the day before this one began; null where it was never loaded';
comment on column clari.attainment_pacing.previous_attainment_pct is 'attainment_pct of the person then, a fraction, at as many days to the end, or up to four more or fewer; null where the person was not there';
comment on column clari.attainment_pacing.previous_closed_to_final_pct is 'closed_to_final_pct of the person then, a fraction, likewise';
comment on column clari.attainment_pacing.year_ago_period_id is 'The same quarter or month a year ago; null where it was never loaded';
comment on column clari.attainment_pacing.year_ago_attainment_pct is 'attainment_pct of the person then, a fraction, at as many days to the end, or up to four more or fewer; null where the person was not there';
comment on column clari.attainment_pacing.year_ago_closed_to_final_pct is 'closed_to_final_pct of the person then, a fraction, likewise';
comment on column clari.attainment_pacing.currency_code is 'ISO 4217 code of every amount in the row';
comment on column clari.attainment_pacing.field_name is 'The field''s name in Clari';
