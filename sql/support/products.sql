-- Grain: one row a fetch of a product beside the forecast, the newest first: all that the ledger knows of it.
select
    request_id, job_id, run_id, product, window_from, window_to, gap_from, gap_to, state, clari_status, attempt,
    submitted_at, completed_at, landed_at, loaded_at, exported_at, answer_count, poll_count, retry_count, wait_seconds,
    slot_wait_seconds, result_bytes, result_sha256, landing_path, rows_truncated, rows_exported, rows_staged,
    rows_inserted, rows_updated, rows_unchanged, error, error_kind, is_adopted
from clari.product_fetch
order by submitted_at desc, request_id
limit 1000;
