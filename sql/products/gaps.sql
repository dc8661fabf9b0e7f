-- Grain: one row a stretch of time of which records are missing: nothing was fetched before Clari threw them away, or
-- Clari cuts off even the one day, and no document since has shown it whole.
select distinct product, gap_from, gap_to, 'expired' as reason
from clari.product_fetch
where gap_from is not null and state = 'LOADED'
union all
select distinct cut.product, cut.window_from as gap_from, cut.window_to + interval 1 day as gap_to, 'cut_off' as reason
from clari.product_fetch as cut
where
    cut.state = 'REFUSED'
    and cut.rows_truncated
    and cut.window_from = cut.window_to
    and not exists (
        select 1
        from clari.product_fetch as whole
        where
            whole.product = cut.product
            and whole.state = 'LOADED'
            and not coalesce(whole.is_adopted, false)
            and whole.window_from <= cut.window_from
            and whole.window_to >= cut.window_to
            and whole.exported_at >= cut.exported_at
    )
order by product, gap_from;
