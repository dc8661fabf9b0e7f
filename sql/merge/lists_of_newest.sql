select lists
from clari.newest_document
where forecast_id = $forecast_id and quarter_id = $quarter_id and job_id = $job_id and read_by = $read_by;
