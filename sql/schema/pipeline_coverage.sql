-- version: 3, words: 3-cfb68a3a
create or replace view clari.pipeline_coverage as
with reckoned as (
    select
        *,
        cast(crm_total as decimal(20, 4)) - case when pipeline_closed <= crm_total then pipeline_closed else 0 end as open_now,
        cast(quota_value as decimal(20, 4)) - crm_closed as to_quota
    from clari.forecast_call_week
)

select
    forecast_id, time_period_id, time_frame_id, user_id, field_id, week_number, week_start_date, week_end_date,
    weeks_to_end, user_name, role_name, is_top, is_week_over, is_backfilled, crm_total, pipeline_closed,
    cast(case when abs(open_now) < 100000000000000 then open_now end as decimal(18, 4)) as open_pipeline,
    quota_value, crm_closed,
    cast(case when abs(to_quota) < 100000000000000 then to_quota end as decimal(18, 4)) as left_to_quota,
    cast(case when to_quota > 0 then clari.fraction(open_now, to_quota) end as decimal(18, 6)) as coverage_ratio,
    currency_code, field_name
from reckoned;

comment on view clari.pipeline_coverage is 'One row per forecast, period, week, person and forecast field: open pipeline against what is left to quota, as known at the week''s end';
comment on column clari.pipeline_coverage.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.pipeline_coverage.time_period_id is 'The entry''s own period: the quarter, or a month inside it';
comment on column clari.pipeline_coverage.time_frame_id is 'The week; the same id occurs in several periods';
comment on column clari.pipeline_coverage.user_id is 'The person, by Clari''s id';
comment on column clari.pipeline_coverage.field_id is 'The forecast field';
comment on column clari.pipeline_coverage.week_number is 'Week of the period; 1 is the first';
comment on column clari.pipeline_coverage.week_start_date is 'The week''s first day';
comment on column clari.pipeline_coverage.week_end_date is 'The week''s last day';
comment on column clari.pipeline_coverage.weeks_to_end is 'Whole weeks from the end of the week to the end of the period; 0 may stand on two weeks, where the period ends within one';
comment on column clari.pipeline_coverage.user_name is 'Full name, as of that week';
comment on column clari.pipeline_coverage.role_name is 'Place in the hierarchy, as of that week';
comment on column clari.pipeline_coverage.is_top is 'The one person at the top as of that week, or CLARI_TOP_USER: the organisation''s total';
comment on column clari.pipeline_coverage.is_week_over is 'False: the week is still open, and the row is as of the newest export';
comment on column clari.pipeline_coverage.is_backfilled is 'The week had ended before the first export that is held';
comment on column clari.pipeline_coverage.crm_total is 'All opportunities that the pipeline field counts';
comment on column clari.pipeline_coverage.pipeline_closed is 'Closed-won of the pipeline field itself';
comment on column clari.pipeline_coverage.open_pipeline is 'crm_total - pipeline_closed; crm_total alone where the pipeline field says nothing of closed, or says more than its total, which then cannot hold it';
comment on column clari.pipeline_coverage.quota_value is 'Quota';
comment on column clari.pipeline_coverage.crm_closed is 'Closed-won';
comment on column clari.pipeline_coverage.left_to_quota is 'quota_value - crm_closed; 0 or less: quota is met';
comment on column clari.pipeline_coverage.coverage_ratio is 'open_pipeline / left_to_quota: 3 is three times what is needed; null when quota is met, or not known';
comment on column clari.pipeline_coverage.currency_code is 'ISO 4217 code of every amount in the row';
comment on column clari.pipeline_coverage.field_name is 'The field''s name in Clari';
