-- Grain: one row a record of the document as it is read; of the same event there may be several.
create or replace temp table stage_raw_audit_event (
    position bigint not null,
    event_id varchar,
    event_at timestamptz,
    event varchar,
    event_parameters varchar,
    actor_id varchar,
    actor_type varchar,
    impersonating_actor_id varchar,
    session_id varchar,
    session_type varchar,
    ip_address varchar,
    correlation_id varchar
);

-- Grain: one row a record of the document as it is read; of the same actor there may be several.
create or replace temp table stage_raw_audit_actor (
    position bigint not null,
    actor_id varchar,
    actor_type varchar,
    name varchar,
    email varchar
);
