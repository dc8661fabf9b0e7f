-- Clari has accepted the export. From now on the timeout counts, not from when its answer was first waited for.
-- A clock that was set back meanwhile does not make it older than it was when it was first asked for.
update clari.export_job
set
    state = 'SUBMITTED',
    job_id = $job_id,
    submitted_at = greatest(coalesce($submitted_at, submitted_at), submitted_at),
    error = null,
    error_kind = null
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');
