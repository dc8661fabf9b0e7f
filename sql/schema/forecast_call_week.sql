-- version: 4, words: 4-72069af9
create table if not exists clari.forecast_call_week (
    forecast_id varchar not null,
    time_period_id varchar not null,
    time_frame_id varchar not null,
    user_id varchar not null,
    field_id varchar not null,
    week_number integer,
    week_start_date date,
    week_end_date date,
    week_closes_at timestamptz,
    weeks_to_end integer,
    as_of timestamptz not null,
    is_week_over boolean,
    is_backfilled boolean,
    user_name varchar,
    role_id varchar,
    role_name varchar,
    parent_role_id varchar,
    parent_role_name varchar,
    is_top boolean,
    call_value decimal(18,4),
    is_submitted boolean,
    call_by varchar,
    call_at timestamptz,
    adjustment_value decimal(18,4),
    quota_value decimal(18,4),
    crm_closed decimal(18,4),
    crm_total decimal(18,4),
    pipeline_closed decimal(18,4),
    currency_code varchar,
    field_name varchar
);

alter table clari.forecast_call_week add column if not exists week_closes_at timestamptz;
alter table clari.forecast_call_week add column if not exists field_name varchar;

comment on table clari.forecast_call_week is 'One row per forecast, period, week, person and forecast field: the call as known at the week''s end, or so far; a manager''s row is the whole team''s, so nothing is to be summed over people';
comment on column clari.forecast_call_week.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_call_week.time_period_id is 'The entry''s own period: the quarter, or a month inside it';
comment on column clari.forecast_call_week.time_frame_id is 'The week; the same id occurs in several periods';
comment on column clari.forecast_call_week.user_id is 'The person, by Clari''s id';
comment on column clari.forecast_call_week.field_id is 'The forecast field';
comment on column clari.forecast_call_week.week_number is 'Week of the period; 1 is the first';
comment on column clari.forecast_call_week.week_start_date is 'The week''s first day';
comment on column clari.forecast_call_week.week_end_date is 'The week''s last day';
comment on column clari.forecast_call_week.week_closes_at is 'When the week closes: at CLARI_WEEK_CLOSE in CLARI_ORG_TIMEZONE on the day after its last';
comment on column clari.forecast_call_week.weeks_to_end is 'Whole weeks from the end of the week to the end of the period; 0 may stand on two weeks, where the period ends within one';
comment on column clari.forecast_call_week.as_of is 'The moment that the row knows of: the first export within four hours of week_closes_at; without one the last microsecond before week_closes_at; where no export is of the week itself, the export before it; the newest export while the week is open; the first export where the week had ended before it';
comment on column clari.forecast_call_week.is_week_over is 'False: the week was still open at the newest export, and the row changes with the next';
comment on column clari.forecast_call_week.is_backfilled is 'The week had ended before the first export that is held of the quarter: what that export said of it later';
comment on column clari.forecast_call_week.user_name is 'Full name, as of as_of';
comment on column clari.forecast_call_week.role_id is 'Place in the hierarchy, as of as_of';
comment on column clari.forecast_call_week.role_name is 'Name of that place';
comment on column clari.forecast_call_week.parent_role_id is 'The place above, as of as_of';
comment on column clari.forecast_call_week.parent_role_name is 'Its name';
comment on column clari.forecast_call_week.is_top is 'The one person at the top as of as_of, or CLARI_TOP_USER: the organisation''s total; where there are several none is';
comment on column clari.forecast_call_week.call_value is 'The call: the newest submitted one, in that week or before it; null where none was ever submitted';
comment on column clari.forecast_call_week.is_submitted is 'Whether it was submitted in that week, as known then; false: an earlier week''s call stands';
comment on column clari.forecast_call_week.call_by is 'User id of whoever wrote the call that stands';
comment on column clari.forecast_call_week.call_at is 'When it was written';
comment on column clari.forecast_call_week.adjustment_value is 'The manager''s replacement of the call';
comment on column clari.forecast_call_week.quota_value is 'Quota, from the field that carries it';
comment on column clari.forecast_call_week.crm_closed is 'Closed-won, of the field that the rules name, else of the forecast field itself';
comment on column clari.forecast_call_week.crm_total is 'All opportunities that the pipeline field counts';
comment on column clari.forecast_call_week.pipeline_closed is 'Closed-won of the pipeline field itself: what crm_total holds that is no longer open';
comment on column clari.forecast_call_week.currency_code is 'ISO 4217 code of every amount in the row';
comment on column clari.forecast_call_week.field_name is 'The field''s name in Clari';
