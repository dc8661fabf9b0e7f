-- Written before Clari is asked.
insert into clari.export_job (
    request_id, run_id, forecast_id, time_period_id, types_to_export, scope_id, currency, export_format,
    include_historical, state, attempt, submitted_at, poll_count, wait_seconds
)
values (
    $request_id, $run_id, $forecast_id, $quarter_id, $types_to_export, $scope_id, $currency, $export_format,
    $include_historical, 'SUBMITTING', $attempt, $submitted_at, 0, 0
);
