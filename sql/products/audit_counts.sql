-- What the merge will do with the staged events: an event that is known does not change.
select count(*) as rows_staged, count(known.event_id) as rows_known, 0 as rows_changed
from stage_audit_event as shown
left join clari.audit_event as known on known.event_id = shown.event_id;
