-- What was begun by another run belongs to this one now.
update clari.product_fetch set run_id = $run_id where request_id = $request_id;
