-- version: 2, words: 2-9b46c03a
-- Grain: one row per swing of a manager and report: what the report's call adds to the change.
-- The sum of change_amount over a swing's rows is what the reports explain of it, the rest is the manager's own
-- judgement; what cannot be added up stands in apart_amount, and is in no sum.
create table if not exists clari.forecast_swing_contribution (
    forecast_id varchar not null,
    time_period_id varchar not null,
    user_id varchar not null,
    field_id varchar not null,
    baseline varchar not null,
    job_id varchar not null,
    report_user_id varchar not null,
    kind varchar not null,
    change_amount decimal(18,4),
    apart varchar,
    apart_amount decimal(18,4),
    currency_code varchar
);

alter table clari.forecast_swing_contribution add column if not exists apart varchar;
alter table clari.forecast_swing_contribution add column if not exists apart_amount decimal(18,4);
alter table clari.forecast_swing_contribution add column if not exists currency_code varchar;

comment on table clari.forecast_swing_contribution is 'One row per swing of a manager and report: what the report''s call adds to the change; what change_amount does not add up to is the manager''s own judgement, or comes from the reports that are shown apart';
comment on column clari.forecast_swing_contribution.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_swing_contribution.time_period_id is 'The entry''s own period: the quarter, or a month inside it';
comment on column clari.forecast_swing_contribution.user_id is 'The manager';
comment on column clari.forecast_swing_contribution.field_id is 'The forecast field';
comment on column clari.forecast_swing_contribution.baseline is 'sync or week, as in forecast_swing';
comment on column clari.forecast_swing_contribution.job_id is 'The export';
comment on column clari.forecast_swing_contribution.report_user_id is 'Somebody who reports to the manager, then or now';
comment on column clari.forecast_swing_contribution.kind is 'report: on the team in both exports; joiner: only now; leaver: only then';
comment on column clari.forecast_swing_contribution.change_amount is 'How the report''s call changed; a joiner''s whole call, a leaver''s call taken off; null where it cannot be added up';
comment on column clari.forecast_swing_contribution.apart is 'Why it cannot be added up: shared (somebody else with a call of their own has the manager''s role, and the report answers to both), or other_currency (another than the manager''s, then or now); null where it is added up';
comment on column clari.forecast_swing_contribution.apart_amount is 'What change_amount would be, in currency_code, where it cannot be added up; null where the currency changed in between';
comment on column clari.forecast_swing_contribution.currency_code is 'ISO 4217 code of the report''s call: of now, a leaver''s of then';
