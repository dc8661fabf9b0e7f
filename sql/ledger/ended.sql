-- The job has ended at Clari, well or not.
update clari.export_job
set
    clari_status = $clari_status,
    completed_at = $completed_at,
    exported_at = $exported_at,
    wait_seconds = $wait_seconds,
    rows_truncated = $rows_truncated
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');
