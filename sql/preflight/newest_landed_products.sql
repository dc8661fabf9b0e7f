-- Grain: one row a product beside the forecast: the newest document that has landed, below the products' own folder.
select product as forecast_id, '' as time_period_id, landing_path
from clari.product_fetch
where landing_path is not null
qualify row_number() over (partition by product order by landed_at desc, request_id) = 1
order by forecast_id;
