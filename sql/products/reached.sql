-- Until when a product's records have been fetched, merged or waiting to be; null where none ever were. What may be an
-- export of other days does not count.
select max(window_to) as reached
from clari.product_fetch
where product = $product and state in ('LANDED', 'LOADED') and not coalesce(is_adopted, false);
