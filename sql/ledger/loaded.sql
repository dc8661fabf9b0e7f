-- Merged, in the same transaction as its rows.
update clari.export_job
set
    state = 'LOADED',
    rows_inserted = $rows_inserted,
    rows_updated = $rows_updated,
    rows_unchanged = $rows_unchanged,
    rows_disappeared = $rows_disappeared,
    error = null
where request_id = $request_id;
