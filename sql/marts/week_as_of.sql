-- A week whose calls stand, though a newer export has shown them: they are as of that one.
update clari.forecast_call_week
set as_of = $as_of
where
    forecast_id = $forecast_id
    and time_frame_id = $time_frame_id
    and time_period_id in (select period.time_period_id from clari.time_period as period where period.quarter_id = $quarter_id);
