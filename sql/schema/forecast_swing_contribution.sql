-- Grain: one row a swing of a manager and report: what the report's call adds to the change.
create table if not exists clari.forecast_swing_contribution (
    forecast_id varchar not null,
    time_period_id varchar not null,
    user_id varchar not null,
    field_id varchar not null,
    baseline varchar not null,
    job_id varchar not null,
    report_user_id varchar not null,
    kind varchar not null,
    change_amount decimal(18,4)
);

comment on table clari.forecast_swing_contribution is 'One row a swing of a manager and report: what the report''s call adds to the change; what they do not add up to is the manager''s own judgement';
comment on column clari.forecast_swing_contribution.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_swing_contribution.time_period_id is 'The entry''s own period: the quarter, or a month inside it';
comment on column clari.forecast_swing_contribution.user_id is 'The manager';
comment on column clari.forecast_swing_contribution.field_id is 'The forecast field';
comment on column clari.forecast_swing_contribution.baseline is 'sync or week, as in forecast_swing';
comment on column clari.forecast_swing_contribution.job_id is 'The export';
comment on column clari.forecast_swing_contribution.report_user_id is 'Somebody who reports to the manager, then or now';
comment on column clari.forecast_swing_contribution.kind is 'report: on the team in both exports; joiner: only now; leaver: only then';
comment on column clari.forecast_swing_contribution.change_amount is 'How the report''s call changed; a joiner''s whole call, a leaver''s call taken off';
