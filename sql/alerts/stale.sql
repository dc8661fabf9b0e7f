-- Quarters that were loaded and have gone stale: the newest figures are older than the freshness policy allows.
select forecast_id, time_period_id as quarter_id, max(exported_at) as exported_at
from clari.export_job
where
    state = 'LOADED'
    and job_id not like 'document-%'
    and list_contains($quarters, time_period_id)
    and ($every_forecast or list_contains($forecasts, forecast_id))
group by forecast_id, time_period_id
having max(exported_at) < $not_before
order by quarter_id desc, forecast_id;
