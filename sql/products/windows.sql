-- Grain: one row a fetch that says of its window what there is: its document was good, or cut off by Clari. What may be
-- an export of other days, because it was found where an answer was lost, says nothing.
select
    window_from,
    window_to,
    exported_at,
    state in ('LANDED', 'LOADED') and not coalesce(rows_truncated, false) as is_whole
from clari.product_fetch
where
    product = $product
    and window_from is not null
    and not coalesce(is_adopted, false)
    and (state in ('LANDED', 'LOADED') or (state = 'REFUSED' and rows_truncated));
