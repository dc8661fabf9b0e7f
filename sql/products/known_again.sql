-- A landed document brings its own ledger row back, from the manifest that lies beside it.
insert into clari.product_fetch (
    request_id, job_id, run_id, product, window_from, window_to, gap_from, gap_to, state, clari_status, attempt,
    submitted_at, completed_at, landed_at, exported_at, answer_count, poll_count, retry_count, wait_seconds,
    slot_wait_seconds, result_bytes, result_sha256, landing_path, rows_truncated, is_adopted
)
select
    $request_id, $job_id, $run_id, $product, $window_from, $window_to, $gap_from, $gap_to, 'LANDED', $clari_status,
    $attempt, $submitted_at, $completed_at, $landed_at, $exported_at, $answer_count, $poll_count, $retry_count,
    $wait_seconds, $slot_wait_seconds, $result_bytes, $result_sha256, $landing_path, $rows_truncated,
    $is_adopted
where not exists (select 1 from clari.product_fetch where request_id = $request_id or job_id = $job_id);
