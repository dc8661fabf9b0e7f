-- Documents of a product that wait to be merged, the oldest first.
select request_id
from clari.product_fetch
where product = $product and state = 'LANDED'
order by exported_at, submitted_at, request_id;
