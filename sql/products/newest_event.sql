select max(event_at) as newest from clari.audit_event;
