-- When the export of a forecast's quarter was submitted that the ledger counts as the last.
select max(submitted_at) as submitted_at
from clari.export_job
where forecast_id = $forecast_id and time_period_id = $quarter_id;
