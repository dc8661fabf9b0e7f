-- version: 2, words: 2-25c3c018
create table if not exists clari.forecast_user_history (
    forecast_id varchar not null,
    user_id varchar not null,
    name varchar,
    email varchar,
    crm_user_id varchar,
    scope_id varchar,
    role_id varchar,
    role_name varchar,
    parent_role_id varchar,
    parent_role_name varchar,
    is_top boolean not null,
    valid_from timestamptz not null,
    valid_to timestamptz
);

comment on table clari.forecast_user_history is 'One row per version of a person: people change teams';
comment on column clari.forecast_user_history.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_user_history.user_id is 'The person, by Clari''s id';
comment on column clari.forecast_user_history.name is 'Full name';
comment on column clari.forecast_user_history.email is 'Email address';
comment on column clari.forecast_user_history.crm_user_id is 'The person''s id in the CRM; several user ids may share one';
comment on column clari.forecast_user_history.scope_id is 'Clari''s scope of the person';
comment on column clari.forecast_user_history.role_id is 'Place in the hierarchy';
comment on column clari.forecast_user_history.role_name is 'Name of that place';
comment on column clari.forecast_user_history.parent_role_id is 'The place above; null at the top';
comment on column clari.forecast_user_history.parent_role_name is 'Its name';
comment on column clari.forecast_user_history.is_top is 'The role had no parent among the export''s roles';
comment on column clari.forecast_user_history.valid_from is 'exported_at of the export that brought it';
comment on column clari.forecast_user_history.valid_to is 'exported_at of the export that replaced it; null is current';
