-- Grain: one row: when a fetch was submitted, and what the newest of those before it of its product is as of.
select fetch.submitted_at, max(earlier.exported_at) as exported_before
from clari.product_fetch as fetch
left join clari.product_fetch as earlier
    on earlier.product = fetch.product and earlier.submitted_at < fetch.submitted_at
where fetch.request_id = $request_id
group by fetch.submitted_at;
