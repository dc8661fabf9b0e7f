-- version: 2, words: 2-fe4d65db
create table if not exists clari.audit_actor (
    actor_id varchar not null,
    actor_type varchar not null,
    name varchar,
    email varchar,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    last_seen_at timestamptz not null,
    request_id varchar not null
);

comment on table clari.audit_actor is 'One row per person or system behind events of the audit log, as newest known';
comment on column clari.audit_actor.actor_id is 'Clari''s id; of people their user id';
comment on column clari.audit_actor.actor_type is 'USER, SYSTEM or JOB; empty where Clari does not say';
comment on column clari.audit_actor.name is 'Full name';
comment on column clari.audit_actor.email is 'Email address';
comment on column clari.audit_actor.first_seen_at is 'exported_at of the first document that showed it';
comment on column clari.audit_actor.changed_at is 'exported_at of the document that brought the values as they stand';
comment on column clari.audit_actor.last_seen_at is 'exported_at of the newest document that showed it';
comment on column clari.audit_actor.request_id is 'The fetch whose document last showed it: product_fetch';
