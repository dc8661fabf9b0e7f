-- A document came and is not good enough.
update clari.export_job
set
    state = 'REFUSED',
    error = $error,
    loaded_at = null,
    rows_inserted = null,
    rows_updated = null,
    rows_unchanged = null,
    rows_disappeared = null
where request_id = $request_id;
