-- version: 2, words: 2-0036ace3
create table if not exists clari.audit_event (
    event_id varchar not null,
    event_at timestamptz,
    event varchar not null,
    event_parameters varchar,
    actor_id varchar,
    actor_type varchar,
    impersonating_actor_id varchar,
    session_id varchar,
    session_type varchar,
    ip_address varchar,
    correlation_id varchar,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    request_id varchar not null
);

comment on table clari.audit_event is 'One row per event of Clari''s audit log';
comment on column clari.audit_event.event_id is 'SHA-256 of all that Clari''s description says of an event, which gives it no id of its own';
comment on column clari.audit_event.event_at is 'When it happened; null where Clari does not say';
comment on column clari.audit_event.event is 'What happened, by Clari''s name for it, such as api.accessed';
comment on column clari.audit_event.event_parameters is 'What else Clari says of it, as JSON';
comment on column clari.audit_event.actor_id is 'Who did it';
comment on column clari.audit_event.actor_type is 'USER, SYSTEM or JOB';
comment on column clari.audit_event.impersonating_actor_id is 'On whose behalf the actor was logged in; null is their own';
comment on column clari.audit_event.session_id is 'The session in which it was done';
comment on column clari.audit_event.session_type is 'WEB, IOS or ANDROID';
comment on column clari.audit_event.ip_address is 'Where it came from';
comment on column clari.audit_event.correlation_id is 'Ties it to other records of Clari''s own';
comment on column clari.audit_event.first_seen_at is 'exported_at of the first document that showed it';
comment on column clari.audit_event.last_seen_at is 'exported_at of the newest document that showed it';
comment on column clari.audit_event.request_id is 'The fetch whose document last showed it: product_fetch';
