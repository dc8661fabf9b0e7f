-- How many documents that landed are of a stretch of time and were refused.
select count(*) as refused
from clari.product_fetch
where
    product = $product
    and state = 'REFUSED'
    and landing_path is not null
    and window_from < $gap_to
    and window_to > $gap_from;
