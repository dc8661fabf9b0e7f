-- Records of the staged document that stand in the table afterwards.
select count(*) as rows_merged
from stage_activity as shown
inner join clari.activity as known on known.activity_id = shown.activity_id
where known.last_seen_at >= $exported_at;
