-- Grain: one row: when an export was submitted, and what the newest of those before it of its quarter is as of.
select export.submitted_at, max(earlier.exported_at) as exported_before
from clari.export_job as export
left join clari.export_job as earlier
    on
        earlier.forecast_id = export.forecast_id
        and earlier.time_period_id = export.time_period_id
        and earlier.submitted_at < export.submitted_at
where export.request_id = $request_id
group by export.submitted_at;
