-- Written before Clari is asked.
insert into clari.product_fetch (
    request_id, run_id, product, window_from, window_to, gap_from, gap_to, state, attempt, submitted_at, exported_at,
    answer_count, poll_count, retry_count, wait_seconds, slot_wait_seconds
)
values (
    $request_id, $run_id, $product, $window_from, $window_to, $gap_from, $gap_to, 'SUBMITTING', $attempt, $submitted_at,
    $submitted_at, 0, 0, 0, 0, 0
);
