-- All that the gate has refused, of forecasts and of other products.
select request_id from clari.export_job where state = 'REFUSED'
union all
select request_id from clari.product_fetch where state = 'REFUSED';
