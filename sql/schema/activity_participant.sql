-- version: 2, words: 2-66d2fb12
create table if not exists clari.activity_participant (
    activity_id varchar not null,
    participant_id varchar not null,
    name varchar,
    email varchar,
    crm_user_id varchar,
    is_internal boolean,
    in_latest_export boolean not null,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    last_seen_at timestamptz not null,
    request_id varchar not null
);

comment on table clari.activity_participant is 'One row per activity and somebody who took part, as newest known';
comment on column clari.activity_participant.activity_id is 'The activity';
comment on column clari.activity_participant.participant_id is 'Email address in small letters; without one the id in the CRM, else the name';
comment on column clari.activity_participant.name is 'Full name';
comment on column clari.activity_participant.email is 'Email address';
comment on column clari.activity_participant.crm_user_id is 'Id in the CRM; null for people from outside';
comment on column clari.activity_participant.is_internal is 'Whether they are of this organisation';
comment on column clari.activity_participant.in_latest_export is 'Whether the newest document that showed the activity showed this of it; false: it has stopped';
comment on column clari.activity_participant.first_seen_at is 'exported_at of the first document that showed it';
comment on column clari.activity_participant.changed_at is 'exported_at of the document that brought the values as they stand';
comment on column clari.activity_participant.last_seen_at is 'exported_at of the newest document that showed it';
comment on column clari.activity_participant.request_id is 'The fetch whose document last showed it: product_fetch';
