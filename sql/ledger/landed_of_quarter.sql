-- Documents of a quarter that wait to be merged, in the order in which they count.
select request_id
from clari.export_job
where time_period_id = $quarter_id and state = 'LANDED'
order by exported_at, submitted_at, request_id;
