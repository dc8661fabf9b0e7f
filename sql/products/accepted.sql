-- Clari has accepted the export, or a job was found that may be it. From now on the timeout counts, not from when its answer was first waited for.
update clari.product_fetch
set
    state = 'SUBMITTED',
    job_id = $job_id,
    is_adopted = $is_adopted,
    submitted_at = greatest(coalesce($submitted_at, submitted_at), submitted_at),
    error = null,
    error_kind = null
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');
