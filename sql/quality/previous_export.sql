-- The newest loaded export of the quarter that was asked for in the same way, before this one.
select job_id, exported_at, rows_exported
from clari.export_job
where
    forecast_id = $forecast_id
    and time_period_id = $quarter_id
    and state = 'LOADED'
    and exported_at < $exported_at
    and scope_id is not distinct from $scope_id
    and include_historical is not distinct from $include_historical
    and types_to_export is not distinct from $types_to_export
order by exported_at desc, submitted_at desc
limit 1;
