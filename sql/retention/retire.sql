-- A quarter leaves the tables, of all forecasts at once. The ledger goes on naming its exports: their documents stay
-- landed.
delete from clari.forecast_entry_state
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_entry_sighting
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_entry_history
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_swing
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_swing_summary
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_swing_contribution
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_vs_quota
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_call_week
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_movement
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_time_frame
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.time_frame
where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.time_period where quarter_id = $quarter_id;

delete from clari.forecast_user_sighting where quarter_id = $quarter_id;

delete from clari.newest_document where quarter_id = $quarter_id;

delete from clari.mart_version where quarter_id = $quarter_id;

delete from clari.mart_part_version where quarter_id = $quarter_id;

update clari.export_job set state = 'RETIRED' where state = 'LOADED' and time_period_id = $quarter_id;
