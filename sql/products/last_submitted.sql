-- When the fetch of a product was submitted that the ledger counts as the last.
select max(submitted_at) as submitted_at
from clari.product_fetch
where product = $product;
