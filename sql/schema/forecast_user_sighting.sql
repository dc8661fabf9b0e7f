-- version: 2, words: 2-d5cdd933
create table if not exists clari.forecast_user_sighting (
    forecast_id varchar not null,
    quarter_id varchar not null,
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
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    job_id varchar not null
);

comment on table clari.forecast_user_sighting is 'One row per forecast, quarter, person and run of exports that showed the same: what the person tables are made from, in any order of arrival';
comment on column clari.forecast_user_sighting.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_user_sighting.quarter_id is 'The quarter asked for';
comment on column clari.forecast_user_sighting.user_id is 'The person, by Clari''s id';
comment on column clari.forecast_user_sighting.name is 'Full name';
comment on column clari.forecast_user_sighting.email is 'Email address';
comment on column clari.forecast_user_sighting.crm_user_id is 'The person''s id in the CRM; several user ids may share one';
comment on column clari.forecast_user_sighting.scope_id is 'Clari''s scope of the person';
comment on column clari.forecast_user_sighting.role_id is 'Place in the hierarchy';
comment on column clari.forecast_user_sighting.role_name is 'Name of that place';
comment on column clari.forecast_user_sighting.parent_role_id is 'The place above; null at the top';
comment on column clari.forecast_user_sighting.parent_role_name is 'Its name';
comment on column clari.forecast_user_sighting.is_top is 'The role had no parent among the export''s roles';
comment on column clari.forecast_user_sighting.first_seen_at is 'exported_at of the run''s first export';
comment on column clari.forecast_user_sighting.last_seen_at is 'exported_at of the run''s last export';
comment on column clari.forecast_user_sighting.job_id is 'That last export';
