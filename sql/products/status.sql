-- Grain: one row a product: how its newest fetch stands, what the tables are as of, and since when something is missing.
with newest as (
    select *
    from clari.product_fetch
    qualify row_number() over (partition by product order by submitted_at desc, attempt desc) = 1
),

loaded as (
    select *
    from clari.product_fetch
    where state = 'LOADED'
    qualify row_number() over (partition by product order by exported_at desc, submitted_at desc) = 1
)

select
    newest.product,
    newest.state,
    newest.error,
    loaded.exported_at,
    loaded.loaded_at,
    loaded.window_from,
    loaded.window_to,
    loaded.rows_staged as rows
from newest
left join loaded on loaded.product = newest.product
order by newest.product;
