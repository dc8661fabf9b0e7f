-- The document is safe on disk.
update clari.export_job
set
    state = 'LANDED',
    landed_at = $landed_at,
    latency_seconds = cast(0.001 * greatest(date_diff('millisecond', submitted_at, $landed_at), 0) as decimal(18, 3)),
    result_bytes = $result_bytes,
    result_sha256 = $result_sha256,
    landing_path = $landing_path,
    error = null,
    error_kind = null
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');
