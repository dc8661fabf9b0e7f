-- All landed documents of a product, in the order in which their records follow each other.
select request_id
from clari.product_fetch
where product = $product and landing_path is not null
order by exported_at, submitted_at, request_id;
