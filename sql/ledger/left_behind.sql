-- Exports of a forecast's quarter that Clari was asked for and that never landed, the newest first.
select request_id, run_id, job_id, submitted_at
from clari.export_job
where
    forecast_id = $forecast_id
    and time_period_id = $quarter_id
    and state in ('SUBMITTING', 'SUBMITTED')
    and types_to_export = $types_to_export
    and scope_id is not distinct from $scope_id
    and currency is not distinct from $currency
    and export_format = $export_format
    and include_historical = $include_historical
    and submitted_at > $not_before
order by submitted_at desc;
