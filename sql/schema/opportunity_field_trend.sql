-- version: 2, words: 2-2c16f3af
create table if not exists clari.opportunity_field_trend (
    trend_id varchar not null,
    opportunity_id varchar not null,
    field_id varchar not null,
    value_changed_at timestamptz,
    old_value varchar,
    old_value_number decimal(18,4),
    new_value varchar,
    new_value_number decimal(18,4),
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    request_id varchar not null
);

comment on table clari.opportunity_field_trend is 'One row per change of an opportunity''s field that Clari tells of';
comment on column clari.opportunity_field_trend.trend_id is 'SHA-256 of opportunity, field, moment and both values: Clari gives it no id';
comment on column clari.opportunity_field_trend.opportunity_id is 'The opportunity';
comment on column clari.opportunity_field_trend.field_id is 'The field';
comment on column clari.opportunity_field_trend.value_changed_at is 'When the value changed; Clari gives the day';
comment on column clari.opportunity_field_trend.old_value is 'The value before: a text as it is, anything else as JSON';
comment on column clari.opportunity_field_trend.old_value_number is 'The same, where it is a number of at most 14 digits and four decimals';
comment on column clari.opportunity_field_trend.new_value is 'The value from then on, written alike';
comment on column clari.opportunity_field_trend.new_value_number is 'The same, where it is such a number';
comment on column clari.opportunity_field_trend.first_seen_at is 'exported_at of the first document that showed it';
comment on column clari.opportunity_field_trend.last_seen_at is 'exported_at of the newest document that showed it';
comment on column clari.opportunity_field_trend.request_id is 'The fetch whose document last showed it: product_fetch';
