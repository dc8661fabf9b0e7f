-- A document came and is not good enough.
update clari.product_fetch
set state = 'REFUSED', rows_exported = $rows_exported, error = $error
where request_id = $request_id;
