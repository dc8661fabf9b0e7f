select * from clari.product_fetch where request_id = $request_id;
