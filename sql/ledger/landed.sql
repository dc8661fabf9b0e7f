-- The document is safe on disk.
update clari.export_job
set
    state = 'LANDED',
    landed_at = $landed_at,
    result_bytes = $result_bytes,
    result_sha256 = $result_sha256,
    landing_path = $landing_path
where request_id = $request_id;
