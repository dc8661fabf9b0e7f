-- Fetches of a product that were begun, and of which no document has landed, the newest first.
select *
from clari.product_fetch
where product = $product and state in ('SUBMITTING', 'SUBMITTED')
order by submitted_at desc, attempt desc;
