-- The landed exports of a forecast's quarter, in the order in which they count.
select *
from clari.export_job
where
    forecast_id = $forecast_id
    and time_period_id = $quarter_id
    and list_contains($states, state)
order by exported_at, submitted_at, request_id;
