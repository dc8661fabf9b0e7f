-- version: 2, words: 2-efb80db0
create table if not exists clari.forecast_user (
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
    in_latest_export boolean not null,
    last_seen_at timestamptz not null
);

comment on table clari.forecast_user is 'One row per forecast and person, as newest known';
comment on column clari.forecast_user.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_user.user_id is 'The person, by Clari''s id';
comment on column clari.forecast_user.name is 'Full name';
comment on column clari.forecast_user.email is 'Email address';
comment on column clari.forecast_user.crm_user_id is 'The person''s id in the CRM; several user ids may share one';
comment on column clari.forecast_user.scope_id is 'Clari''s scope of the person';
comment on column clari.forecast_user.role_id is 'Place in the hierarchy';
comment on column clari.forecast_user.role_name is 'Name of that place';
comment on column clari.forecast_user.parent_role_id is 'The place above; null at the top';
comment on column clari.forecast_user.parent_role_name is 'Its name';
comment on column clari.forecast_user.is_top is 'The role has no parent among the export''s roles';
comment on column clari.forecast_user.in_latest_export is 'Shown by the newest export of the forecast''s newest quarter';
comment on column clari.forecast_user.last_seen_at is 'exported_at of the export that last showed the person';
