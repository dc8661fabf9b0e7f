-- Grain: one row an export that was merged long ago and is not the newest of its forecast and quarter, or of its
-- product, and whose checks passed: how many of these verdicts would leave export_check. Those that failed stay.
with export as (
    select
        request_id,
        exported_at,
        row_number() over (
            partition by forecast_id, time_period_id order by exported_at desc, submitted_at desc, request_id desc
        ) as place
    from clari.export_job
    where state in ('LOADED', 'RETIRED')
    union all
    select
        request_id,
        coalesce(exported_at, submitted_at),
        row_number() over (
            partition by product order by coalesce(exported_at, submitted_at) desc, submitted_at desc, request_id desc
        )
    from clari.product_fetch
    where state = 'LOADED'
)

select export.request_id, count(*) as verdicts
from export
inner join clari.export_check as verdict on verdict.request_id = export.request_id
where export.place > 1 and export.exported_at < $not_before and verdict.passed
group by export.request_id
order by export.request_id;
