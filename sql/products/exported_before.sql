-- Grain: one row: when a fetch was submitted, and what the newest of those before it of its product is as of.
select asked.submitted_at, max(earlier.exported_at) as exported_before
from clari.product_fetch as asked
left join clari.product_fetch as earlier
    on earlier.product = asked.product and earlier.submitted_at < asked.submitted_at
where asked.request_id = $request_id
group by asked.submitted_at;
