-- Of these weeks nothing stands any more: neither calls nor movements.
delete from clari.forecast_call_week
where
    forecast_id = $forecast_id
    and list_contains($weeks, time_frame_id)
    and time_period_id in (select period.time_period_id from clari.time_period as period where period.quarter_id = $quarter_id);

delete from clari.forecast_movement
where
    forecast_id = $forecast_id
    and list_contains($weeks, time_frame_id)
    and time_period_id in (select period.time_period_id from clari.time_period as period where period.quarter_id = $quarter_id);

delete from clari.mart_part_version
where forecast_id = $forecast_id and quarter_id = $quarter_id and list_contains($weeks, part);
