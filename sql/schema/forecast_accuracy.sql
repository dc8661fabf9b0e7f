-- version: 3, words: 3-ca413255
create or replace view clari.forecast_accuracy as
with zone as (select coalesce(max(time_zone), 'UTC') as time_zone from clari.organisation),

known as (
    select
        job.forecast_id, period.time_period_id,
        cast(max(job.exported_at) at time zone zone.time_zone as date) > period.end_date as is_finished,
        cast(max(job.exported_at) at time zone zone.time_zone as date) <= period.end_date + 10 as is_provisional
    from clari.export_job as job
    inner join clari.time_period as period on period.quarter_id = job.time_period_id
    cross join zone
    where job.state = 'LOADED'
    group by job.forecast_id, period.time_period_id, period.end_date, zone.time_zone
),

compared as (
    select
        stand.*, known.is_provisional,
        cast(
            case when coalesce(final.currency_code = stand.currency_code, true) then final.crm_closed end as decimal(18, 4)
        ) as actual_value,
        case
            when
                coalesce(final.currency_code = stand.currency_code, true)
                and abs(cast(stand.call_value as decimal(20, 4)) - final.crm_closed) < 100000000000000
                then cast(cast(stand.call_value as decimal(20, 4)) - final.crm_closed as decimal(18, 4))
        end as error_amount
    from clari.forecast_call_week as stand
    inner join known on known.forecast_id = stand.forecast_id and known.time_period_id = stand.time_period_id
    left join clari.forecast_vs_quota as final
        on
            final.forecast_id = stand.forecast_id and final.time_period_id = stand.time_period_id
            and final.user_id = stand.user_id and final.field_id = stand.field_id
            and final.in_latest_export
    where known.is_finished
),

period_sum as (
    select
        forecast_id, time_period_id, user_id, field_id,
        sum(abs(error_amount)) as absolute_errors,
        sum(error_amount) as errors,
        sum(abs(actual_value)) as absolute_actuals,
        count(*) as weeks_compared,
        count(case when is_backfilled then 1 end) as weeks_backfilled
    from compared
    where error_amount is not null
    group by forecast_id, time_period_id, user_id, field_id
)

select
    compared.forecast_id, compared.time_period_id, compared.time_frame_id, compared.user_id, compared.field_id,
    compared.week_number, compared.week_start_date, compared.week_end_date, compared.weeks_to_end, compared.user_name,
    compared.role_name, compared.is_top, compared.is_backfilled, compared.is_provisional, compared.call_value,
    compared.actual_value,
    cast(compared.error_amount as decimal(18, 4)) as error_amount,
    cast(abs(compared.error_amount) as decimal(18, 4)) as absolute_error,
    cast(case when compared.error_amount is not null then abs(compared.actual_value) end as decimal(18, 4)) as absolute_actual,
    cast(clari.fraction(period_sum.absolute_errors, period_sum.absolute_actuals) as decimal(18, 6)) as wape,
    cast(clari.fraction(period_sum.errors, period_sum.absolute_actuals) as decimal(18, 6)) as bias,
    cast(coalesce(period_sum.weeks_compared, 0) as integer) as weeks_compared,
    cast(coalesce(period_sum.weeks_backfilled, 0) as integer) as weeks_backfilled,
    compared.currency_code, compared.field_name
from compared
left join period_sum using (forecast_id, time_period_id, user_id, field_id);

comment on view clari.forecast_accuracy is 'One row per forecast, finished period, week, person and forecast field: the call as known at the week''s end against what was closed in the end';
comment on column clari.forecast_accuracy.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_accuracy.time_period_id is 'The entry''s own period: the quarter, or a month inside it';
comment on column clari.forecast_accuracy.time_frame_id is 'The week; the same id occurs in several periods';
comment on column clari.forecast_accuracy.user_id is 'The person, by Clari''s id';
comment on column clari.forecast_accuracy.field_id is 'The forecast field';
comment on column clari.forecast_accuracy.week_number is 'Week of the period; 1 is the first';
comment on column clari.forecast_accuracy.week_start_date is 'The week''s first day';
comment on column clari.forecast_accuracy.week_end_date is 'The week''s last day';
comment on column clari.forecast_accuracy.weeks_to_end is 'Whole weeks from the end of the week to the end of the period; 0 may stand on two weeks, where the period ends within one';
comment on column clari.forecast_accuracy.user_name is 'Full name, as of that week';
comment on column clari.forecast_accuracy.role_name is 'Place in the hierarchy, as of that week';
comment on column clari.forecast_accuracy.is_top is 'The one person at the top as of that week, or CLARI_TOP_USER: the organisation''s total';
comment on column clari.forecast_accuracy.is_backfilled is 'The week had ended before the first export that is held: the call as that export told it later';
comment on column clari.forecast_accuracy.is_provisional is 'The newest export is not later than 10 days after the period''s end: what was closed may still change';
comment on column clari.forecast_accuracy.call_value is 'The call as known at the week''s end';
comment on column clari.forecast_accuracy.actual_value is 'What was closed in the end: crm_closed of the newest export (forecast_vs_quota); null where it no longer shows the person, of whom nobody then says what closed';
comment on column clari.forecast_accuracy.error_amount is 'call_value - actual_value: above 0 was too much; null without either, or where the currency has changed';
comment on column clari.forecast_accuracy.absolute_error is '|error_amount|; WAPE over any set of rows is sum(absolute_error) / sum(absolute_actual) of those with an error';
comment on column clari.forecast_accuracy.absolute_actual is '|actual_value|, null where error_amount is';
comment on column clari.forecast_accuracy.wape is 'Of the period: sum of |call - actual| over its weeks / sum of |actual| over the same weeks, a fraction (0.1 is 10 %), the same in each week''s row';
comment on column clari.forecast_accuracy.bias is 'Of the period: sum of call - actual over its weeks / sum of |actual|, a fraction (0.1 is 10 %): above 0 promised too much';
comment on column clari.forecast_accuracy.weeks_compared is 'Weeks of the period that wape and bias are of';
comment on column clari.forecast_accuracy.weeks_backfilled is 'Those of them that are backfilled';
comment on column clari.forecast_accuracy.currency_code is 'ISO 4217 code of every amount in the row';
comment on column clari.forecast_accuracy.field_name is 'The field''s name in Clari';
