-- The fetches of one sync, those included that it has taken up.
select *
from clari.product_fetch
where run_id = $run_id and product = $product
order by submitted_at, window_from, attempt, request_id;
