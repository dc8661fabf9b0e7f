-- A document without a record says nothing of more than two days: may be that nobody may see them.
-- Grain: one row a fetch of a window: whether its document was good, or it was too long (`is_final` where Clari says so of
-- what came). What Clari was never seen to be asked for, or answered with other days, is none. What may be an export of other days, because it was found where an answer was lost, is neither.
select
    window_from,
    window_to,
    coalesce(exported_at, submitted_at) as exported_at,
    state in ('LANDED', 'LOADED')
    and not coalesce(rows_truncated, false)
    and not coalesce(is_adopted, false)
    and not (coalesce(rows_exported, 1) = 0 and window_to > window_from + interval 1 day) as is_whole,
    (
        state = 'REFUSED' and coalesce(rows_truncated, false)
        or state = 'TIMED_OUT'
        or state = 'FAILED' and coalesce(error_kind, '') = 'ResultTooLarge'
    )
    and not coalesce(is_adopted, false) as is_too_long,
    state = 'REFUSED' as is_final
from clari.product_fetch
where
    product = $product
    and window_from is not null
    and state <> 'SUBMITTING'
    and not (state = 'REFUSED' and coalesce(error, '') like 'records_are_of_the_window:%');
