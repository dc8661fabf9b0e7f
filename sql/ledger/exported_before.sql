-- Grain: one row: when an export was submitted, and what the newest of those before it of its quarter is as of.
select asked.submitted_at, max(earlier.exported_at) as exported_before
from clari.export_job as asked
left join clari.export_job as earlier
    on
        earlier.forecast_id = asked.forecast_id
        and earlier.time_period_id = asked.time_period_id
        and earlier.submitted_at < asked.submitted_at
where asked.request_id = $request_id
group by asked.submitted_at;
