-- The document's records are in the tables.
update clari.product_fetch
set
    state = 'LOADED',
    loaded_at = $loaded_at,
    rows_exported = $rows_exported,
    rows_staged = $rows_staged,
    rows_inserted = $rows_inserted,
    rows_updated = $rows_updated,
    rows_unchanged = $rows_unchanged,
    error = null,
    error_kind = null
where request_id = $request_id;
