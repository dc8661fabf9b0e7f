-- Grain: one row a stretch of time of which nothing was fetched before Clari threw it away.
select distinct product, gap_from, gap_to
from clari.product_fetch
where gap_from is not null and state = 'LOADED'
order by product, gap_from;
