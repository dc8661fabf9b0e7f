-- Grain: one row a forecast and quarter: how the newest export stands, and the newest that Clari gave and was merged.
-- A document from elsewhere (`replay --document`) says nothing about whether syncs work: it is no success here.
with newest as (
    select forecast_id, time_period_id, state
    from clari.export_job
    qualify
        row_number() over (partition by forecast_id, time_period_id order by submitted_at desc, attempt desc) = 1
),

success as (
    select forecast_id, time_period_id, exported_at, loaded_at
    from clari.export_job
    where state = 'LOADED' and exported_at is not null and job_id not like 'document-%'
    qualify
        row_number() over (partition by forecast_id, time_period_id order by exported_at desc, submitted_at desc) = 1
)

select
    newest.forecast_id,
    newest.time_period_id,
    newest.state,
    success.exported_at,
    success.loaded_at
from newest
left join success
    on success.forecast_id = newest.forecast_id and success.time_period_id = newest.time_period_id
order by newest.time_period_id desc, newest.forecast_id;
