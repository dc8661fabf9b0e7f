-- The document is safe on disk.
update clari.product_fetch
set
    state = 'LANDED',
    landed_at = $landed_at,
    answer_count = $answer_count,
    result_bytes = $result_bytes,
    result_sha256 = $result_sha256,
    landing_path = $landing_path,
    error = null,
    error_kind = null
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');
