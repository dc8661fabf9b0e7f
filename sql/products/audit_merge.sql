-- Events never change; of who did them the newest document says what they are called.
merge into clari.audit_event as known
using stage_audit_event as shown
on known.event_id = shown.event_id
when matched and known.last_seen_at <= $exported_at then update set
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert (
    event_id, event_at, event, event_parameters, actor_id, actor_type, impersonating_actor_id, session_id,
    session_type, ip_address, correlation_id, first_seen_at, last_seen_at, request_id
) values (
    shown.event_id, shown.event_at, shown.event, shown.event_parameters, shown.actor_id, shown.actor_type,
    shown.impersonating_actor_id, shown.session_id, shown.session_type, shown.ip_address, shown.correlation_id,
    $exported_at, $exported_at, $request_id
);

merge into clari.audit_actor as known
using stage_audit_actor as shown
on known.actor_id = shown.actor_id and known.actor_type = shown.actor_type
when matched and known.last_seen_at <= $exported_at and (
        known.name is distinct from shown.name
        or known.email is distinct from shown.email
) then update set
    name = shown.name,
    email = shown.email,
    changed_at = $exported_at,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.last_seen_at <= $exported_at then update set
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert (
    actor_id, actor_type, name, email, first_seen_at, changed_at, last_seen_at, request_id
) values (
    shown.actor_id, shown.actor_type, shown.name, shown.email, $exported_at, $exported_at, $exported_at,
    $request_id
);
