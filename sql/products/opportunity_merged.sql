-- Records of the staged document that stand in the table afterwards.
select count(*) as rows_merged
from stage_opportunity as shown
inner join clari.opportunity as known on known.opportunity_id = shown.opportunity_id
where known.last_seen_at >= $exported_at;
