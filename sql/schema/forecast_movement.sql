-- version: 3, words: 3-bb19214b
create table if not exists clari.forecast_movement (
    forecast_id varchar not null,
    time_period_id varchar not null,
    time_frame_id varchar not null,
    user_id varchar not null,
    field_id varchar not null,
    week_number integer,
    week_start_date date,
    week_end_date date,
    weeks_to_end integer,
    user_name varchar,
    role_name varchar,
    is_top boolean,
    previous_time_frame_id varchar,
    is_week_over boolean,
    is_backfilled boolean,
    start_value decimal(18,4),
    end_value decimal(18,4),
    change_amount decimal(18,4),
    raised_amount decimal(18,4),
    lowered_amount decimal(18,4),
    new_amount decimal(18,4),
    gone_amount decimal(18,4),
    judgement_amount decimal(18,4),
    reports integer,
    reports_apart integer,
    start_currency_code varchar,
    currency_code varchar,
    field_name varchar
);

alter table clari.forecast_movement add column if not exists field_name varchar;

comment on table clari.forecast_movement is 'One row per forecast, period, week, owner and forecast field, from the week of the first export on: how the call came from the week before to this one; end_value - start_value = raised + lowered + new + gone + judgement, with nothing for no call';
comment on column clari.forecast_movement.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_movement.time_period_id is 'The entry''s own period: the quarter, or a month inside it';
comment on column clari.forecast_movement.time_frame_id is 'The week; the same id occurs in several periods';
comment on column clari.forecast_movement.user_id is 'The owner: a person who stands at one of the two ends, with reports or without';
comment on column clari.forecast_movement.field_id is 'The forecast field';
comment on column clari.forecast_movement.week_number is 'Week of the period; 1 is the first';
comment on column clari.forecast_movement.week_start_date is 'The week''s first day';
comment on column clari.forecast_movement.week_end_date is 'The week''s last day';
comment on column clari.forecast_movement.weeks_to_end is 'Whole weeks from the end of the week to the end of the period; 0 may stand on two weeks, where the period ends within one';
comment on column clari.forecast_movement.user_name is 'Full name, as of that week';
comment on column clari.forecast_movement.role_name is 'Place in the hierarchy, as of that week';
comment on column clari.forecast_movement.is_top is 'The one person at the top as of that week, or CLARI_TOP_USER: the organisation''s total';
comment on column clari.forecast_movement.previous_time_frame_id is 'The week that start_value is of: the one before in the same period; null in the period''s first week, which starts from nothing';
comment on column clari.forecast_movement.is_week_over is 'False: the week is still open, and end_value is the call so far';
comment on column clari.forecast_movement.is_backfilled is 'The week before had ended before the first export that is held: start_value is what that export said of it';
comment on column clari.forecast_movement.start_value is 'The owner''s call at the end of the week before; null where there was none';
comment on column clari.forecast_movement.end_value is 'The owner''s call at the end of this week; null where there is none';
comment on column clari.forecast_movement.change_amount is 'end_value - start_value, no call as 0; null where the currency has changed between them';
comment on column clari.forecast_movement.raised_amount is 'By how much reports who stand at both ends went up, in all';
comment on column clari.forecast_movement.lowered_amount is 'By how much reports who stand at both ends went down, in all: 0 or less';
comment on column clari.forecast_movement.new_amount is 'The calls of reports who came: who were not shown, or not in the owner''s team, a week before';
comment on column clari.forecast_movement.gone_amount is 'What reports who left took with them: minus their calls of a week before';
comment on column clari.forecast_movement.judgement_amount is 'The rest of change_amount: the owner''s own judgement; all of it where nobody reports to the owner';
comment on column clari.forecast_movement.reports is 'People at either end whose parent_role is the owner''s role, each as of that end, and who are counted in';
comment on column clari.forecast_movement.reports_apart is 'Those left out: in another currency than the owner''s, or answering to a role whose call several people make. Their change is part of judgement_amount';
comment on column clari.forecast_movement.start_currency_code is 'ISO 4217 code of start_value';
comment on column clari.forecast_movement.currency_code is 'ISO 4217 code of end_value and of all the amounts between';
comment on column clari.forecast_movement.field_name is 'The field''s name in Clari';
