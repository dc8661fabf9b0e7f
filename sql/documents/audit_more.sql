-- More records of the document, as they are read.
insert into stage_raw_audit_event (
    position, event_id, event_at, event, event_parameters, actor_id, actor_type, impersonating_actor_id,
    session_id, session_type, ip_address, correlation_id
)
select
    position, event_id, event_at, event, event_parameters, actor_id, actor_type, impersonating_actor_id,
    session_id, session_type, ip_address, correlation_id
from raw_audit_event;

insert into stage_raw_audit_actor (
    position, actor_id, actor_type, name, email
)
select
    position, actor_id, actor_type, name, email
from raw_audit_actor;
