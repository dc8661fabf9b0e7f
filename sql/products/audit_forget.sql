-- Before all landed documents are merged again, in order.
delete from clari.audit_event;

delete from clari.audit_actor;
