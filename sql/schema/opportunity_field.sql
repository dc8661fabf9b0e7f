-- version: 2, words: 2-8fbb5916
create table if not exists clari.opportunity_field (
    opportunity_id varchar not null,
    field_id varchar not null,
    alias varchar,
    value varchar,
    value_type varchar,
    value_number decimal(18,4),
    original_value varchar,
    original_value_type varchar,
    original_value_number decimal(18,4),
    trend varchar,
    in_latest_export boolean not null,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    last_seen_at timestamptz not null,
    request_id varchar not null
);

comment on table clari.opportunity_field is 'One row per opportunity and field, as newest known';
comment on column clari.opportunity_field.opportunity_id is 'The opportunity';
comment on column clari.opportunity_field.field_id is 'The field, such as opportunity.amount';
comment on column clari.opportunity_field.alias is 'Another name of the field';
comment on column clari.opportunity_field.value is 'The value: a text as it is, anything else as JSON';
comment on column clari.opportunity_field.value_type is 'string, number, boolean, array or object; null where there is no value';
comment on column clari.opportunity_field.value_number is 'The value, where it is a number of at most 14 digits and four decimals';
comment on column clari.opportunity_field.original_value is 'The value before it was changed in Clari, written alike';
comment on column clari.opportunity_field.original_value_type is 'Its type';
comment on column clari.opportunity_field.original_value_number is 'The same, where it is such a number';
comment on column clari.opportunity_field.trend is 'Clari''s word for how it moves';
comment on column clari.opportunity_field.in_latest_export is 'Whether the newest document that showed the opportunity showed this field; false: it has stopped';
comment on column clari.opportunity_field.first_seen_at is 'exported_at of the first document that showed it';
comment on column clari.opportunity_field.changed_at is 'exported_at of the document that brought the values as they stand';
comment on column clari.opportunity_field.last_seen_at is 'exported_at of the newest document that showed it';
comment on column clari.opportunity_field.request_id is 'The fetch whose document last showed it: product_fetch';
