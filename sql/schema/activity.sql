-- version: 2, words: 2-9e082839
create table if not exists clari.activity (
    activity_id varchar not null,
    activity_type varchar,
    subject varchar,
    activity_at timestamptz,
    owner_crm_user_id varchar,
    organiser_crm_user_id varchar,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    last_seen_at timestamptz not null,
    request_id varchar not null,
    in_latest_export boolean default true
);

alter table clari.activity add column if not exists in_latest_export boolean default true;

comment on table clari.activity is 'One row per meeting, e-mail or attachment, as newest known';
comment on column clari.activity.activity_id is 'Clari''s id of it';
comment on column clari.activity.activity_type is 'MEETING, EMAIL_SENT, EMAIL_RECEIVED, ATTACHMENT_SENT or ATTACHMENT_RECEIVED';
comment on column clari.activity.subject is 'Its subject';
comment on column clari.activity.activity_at is 'When it takes place, or took place';
comment on column clari.activity.owner_crm_user_id is 'In whose inbox or calendar it was found, by their id in the CRM';
comment on column clari.activity.organiser_crm_user_id is 'Who organised or wrote it, by their id in the CRM';
comment on column clari.activity.first_seen_at is 'exported_at of the first document that showed it';
comment on column clari.activity.changed_at is 'exported_at of the document that brought the values as they stand';
comment on column clari.activity.last_seen_at is 'exported_at of the newest document that showed it';
comment on column clari.activity.request_id is 'The fetch whose document last showed it: product_fetch';
comment on column clari.activity.in_latest_export is 'Whether the newest export of the days around it showed it; false: it has stopped';
