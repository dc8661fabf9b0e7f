-- A landed document brings its own ledger row back, from the manifest that lies beside it.
insert into clari.export_job (
    request_id, job_id, run_id, forecast_id, time_period_id, types_to_export, scope_id, currency, export_format,
    include_historical, state, clari_status, attempt, submitted_at, completed_at, landed_at, exported_at, poll_count,
    wait_seconds, result_bytes, result_sha256, landing_path, rows_truncated, types_refused
)
select
    $request_id, $job_id, $run_id, $forecast_id, $time_period_id, $types_to_export, $scope_id, $currency,
    $export_format, $include_historical, 'LANDED', $clari_status, $attempt, $submitted_at, $completed_at, $landed_at,
    $exported_at, $poll_count, $wait_seconds, $result_bytes, $result_sha256, $landing_path, $rows_truncated, $types_refused
where not exists (select 1 from clari.export_job where request_id = $request_id or job_id = $job_id);
