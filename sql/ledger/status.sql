-- Grain: one row a forecast and quarter: the newest export that was meant to be made, and the newest merged.
with newest as (
    select *
    from clari.export_job
    qualify
        row_number() over (partition by forecast_id, time_period_id order by submitted_at desc, attempt desc) = 1
),

loaded as (
    select *
    from clari.export_job
    where state = 'LOADED'
    qualify
        row_number() over (partition by forecast_id, time_period_id order by exported_at desc, submitted_at desc) = 1
)

select
    newest.forecast_id,
    newest.time_period_id,
    newest.state,
    newest.error,
    loaded.exported_at,
    loaded.rows_staged as rows
from newest
left join loaded
    on loaded.forecast_id = newest.forecast_id and loaded.time_period_id = newest.time_period_id
order by newest.time_period_id desc, newest.forecast_id;
