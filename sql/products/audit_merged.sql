-- Records of the staged document that stand in the table afterwards.
select count(*) as rows_merged
from stage_audit_event as shown
inner join clari.audit_event as known on known.event_id = shown.event_id
where known.last_seen_at >= $exported_at;
