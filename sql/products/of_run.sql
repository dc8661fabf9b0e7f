-- The fetches of one sync, the newest attempt of each window.
select *
from clari.product_fetch
where
    request_id in (
        select request_id
        from clari.product_fetch
        where run_id = $run_id and product = $product
        qualify row_number() over (partition by window_from, window_to order by submitted_at desc, attempt desc) = 1
    )
order by window_to, request_id;
