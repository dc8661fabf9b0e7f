-- How many documents of a product that are newer than a moment are merged already.
select count(*) as later
from clari.product_fetch
where product = $product and state = 'LOADED' and exported_at > $exported_at;
