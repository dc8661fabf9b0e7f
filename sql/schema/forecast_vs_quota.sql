-- version: 4, words: 4-39b9cb53
create table if not exists clari.forecast_vs_quota (
    forecast_id varchar not null,
    time_period_id varchar not null,
    user_id varchar not null,
    field_id varchar not null,
    forecast_value decimal(18,4),
    adjustment_value decimal(18,4),
    quota_value decimal(18,4),
    crm_closed decimal(18,4),
    crm_total decimal(18,4),
    attainment_pct decimal(18,6),
    forecast_to_quota_pct decimal(18,6),
    gap_to_quota decimal(18,4),
    currency_code varchar,
    user_name varchar,
    role_name varchar,
    parent_role_name varchar,
    is_top boolean,
    field_name varchar,
    week_number integer,
    weeks_to_end integer,
    is_submitted boolean,
    in_latest_export boolean,
    as_of timestamptz
);

comment on table clari.forecast_vs_quota is 'One row per forecast, period, person and forecast field: the call and what it stands against; a manager''s row is the whole team''s, so nothing is to be summed over people';
comment on column clari.forecast_vs_quota.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_vs_quota.time_period_id is 'The quarter, or a month inside it; a year has no rows here';
comment on column clari.forecast_vs_quota.user_id is 'The person, by Clari''s id';
comment on column clari.forecast_vs_quota.field_id is 'The forecast field';
comment on column clari.forecast_vs_quota.forecast_value is 'The call: the newest submitted one, in or before the newest week that had started';
comment on column clari.forecast_vs_quota.adjustment_value is 'The manager''s replacement of the call';
comment on column clari.forecast_vs_quota.quota_value is 'The newest quota of the same forecast, period and person';
comment on column clari.forecast_vs_quota.crm_closed is 'Closed-won';
comment on column clari.forecast_vs_quota.crm_total is 'All opportunities that the field counts';
comment on column clari.forecast_vs_quota.attainment_pct is 'crm_closed / quota_value, a fraction: 0.85 is 85 %';
comment on column clari.forecast_vs_quota.forecast_to_quota_pct is 'forecast_value / quota_value, a fraction: 0.85 is 85 %';
comment on column clari.forecast_vs_quota.gap_to_quota is 'quota_value - crm_closed';
comment on column clari.forecast_vs_quota.currency_code is 'ISO 4217 code of every amount in the row';
comment on column clari.forecast_vs_quota.user_name is 'Full name';
comment on column clari.forecast_vs_quota.role_name is 'Place in the hierarchy';
comment on column clari.forecast_vs_quota.parent_role_name is 'The place above';
comment on column clari.forecast_vs_quota.is_top is 'The role has no parent, as exports of the whole organisation show it: this row is the organisation''s total';
comment on column clari.forecast_vs_quota.field_name is 'The field''s name';
comment on column clari.forecast_vs_quota.week_number is 'Week of the period that the row is as of, of those that the forecast lists; 1 is the first, a period that is over has its last';
comment on column clari.forecast_vs_quota.weeks_to_end is 'Whole weeks from the end of that week to the end of the period';
comment on column clari.forecast_vs_quota.is_submitted is 'Whether the call was submitted in that week; false: an earlier week''s call stands';
comment on column clari.forecast_vs_quota.in_latest_export is 'False: exports no longer show the person here';
comment on column clari.forecast_vs_quota.as_of is 'exported_at of the export that last showed it';
