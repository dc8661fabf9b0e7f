-- What the bundle for support holds.

-- name: alerts
-- Grain: one row per alert, the newest first, without what it tells of people.
select kind, severity, created_at, sent_at, attempts, last_error, run_id
from clari.alert
order by created_at desc, alert_key
limit 1000;

-- name: alerts_with_people
-- Grain: one row per alert, the newest first, with the people whom it names.
select alert_key, alert_class, kind, severity, title, body, created_at, sent_at, attempts, last_error, run_id, detail
from clari.alert
order by created_at desc, alert_key
limit 1000;

-- name: checks
-- Grain: one row per export and check, the newest first.
select request_id, check_name, passed, severity, evidence, checked_at
from clari.export_check
order by checked_at desc, request_id, check_name
limit 5000;

-- name: jobs
-- Grain: one row per export, the newest first: all that the ledger knows of it.
select
    request_id, job_id, run_id, forecast_id, time_period_id, types_to_export, types_refused, scope_id, currency,
    export_format, include_historical, state, clari_status, attempt, submitted_at, completed_at, landed_at, loaded_at,
    exported_at, poll_count, retry_count, wait_seconds, slot_wait_seconds, latency_seconds, result_bytes, result_sha256,
    landing_path, rows_exported, rows_staged, rows_inserted, rows_updated, rows_unchanged, rows_disappeared,
    rows_truncated, document_period_id, call_time_frame_id, error, error_kind, told_at, quota_fields, source
from clari.export_job
order by submitted_at desc, request_id
limit 1000;

-- name: people
-- Grain: one row per name or address of a person, of those whom any export has shown.
select name as known_as from clari.forecast_user where name is not null
union
select email from clari.forecast_user where email is not null
union
select name from clari.forecast_user_history where name is not null
union
select email from clari.forecast_user_history where email is not null
union
select name from clari.forecast_user_sighting where name is not null
union
select email from clari.forecast_user_sighting where email is not null
union
select name from clari.audit_actor where name is not null
union
select email from clari.audit_actor where email is not null
union
select name from clari.activity_participant where name is not null
union
select email from clari.activity_participant where email is not null;

-- name: products
-- Grain: one row per fetch of a product beside the forecast, the newest first: all that the ledger knows of it.
select
    request_id, job_id, run_id, product, window_from, window_to, gap_from, gap_to, state, clari_status, attempt,
    submitted_at, completed_at, landed_at, loaded_at, exported_at, answer_count, poll_count, retry_count, wait_seconds,
    slot_wait_seconds, result_bytes, result_sha256, landing_path, rows_truncated, rows_exported, rows_staged,
    rows_inserted, rows_updated, rows_unchanged, error, error_kind, is_adopted
from clari.product_fetch
order by submitted_at desc, request_id
limit 1000;

-- name: quota
-- Grain: one row per reading of Clari's export quota, the newest first.
select run_id, read_at, monthly_quota, available_monthly_quota, concurrent_limit
from clari.export_quota
order by read_at desc, run_id
limit 1000;
