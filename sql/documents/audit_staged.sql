-- Grain: one row an event of the document: of several the one that was read last.
create or replace temp table stage_audit_event as
select
    event_id,
    event_at,
    event,
    event_parameters,
    actor_id,
    actor_type,
    impersonating_actor_id,
    session_id,
    session_type,
    ip_address,
    correlation_id
from stage_raw_audit_event
qualify row_number() over (partition by event_id order by position desc) = 1;

-- Grain: one row an actor of the document: of several the one that was read last.
create or replace temp table stage_audit_actor as
select
    actor_id,
    actor_type,
    name,
    email
from stage_raw_audit_actor
qualify row_number() over (partition by actor_id, actor_type order by position desc) = 1;
