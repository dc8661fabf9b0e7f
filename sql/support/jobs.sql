-- Grain: one row an export, the newest first: all that the ledger knows of it.
select
    request_id, job_id, run_id, forecast_id, time_period_id, types_to_export, types_refused, scope_id, currency,
    export_format, include_historical, state, clari_status, attempt, submitted_at, completed_at, landed_at, loaded_at,
    exported_at, poll_count, retry_count, wait_seconds, slot_wait_seconds, latency_seconds, result_bytes,
    result_sha256, landing_path, rows_exported, rows_staged, rows_inserted, rows_updated, rows_unchanged,
    rows_disappeared, rows_truncated, document_period_id, call_time_frame_id, error, error_kind, told_at, quota_fields
from clari.export_job
order by submitted_at desc, request_id
limit 1000;
