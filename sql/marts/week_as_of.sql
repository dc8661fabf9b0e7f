-- A week whose calls stand, though a newer export has shown them: they are as of that one.
update clari.forecast_call_week
set as_of = $as_of
where forecast_id = $forecast_id and time_frame_id = $time_frame_id and list_contains($periods, time_period_id);
