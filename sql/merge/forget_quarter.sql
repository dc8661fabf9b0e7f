-- Before a forecast's quarter is rebuilt from its landed documents, in the same transaction.
delete from clari.forecast_entry_state
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_entry_sighting
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_entry_history
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_time_frame
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.newest_document where forecast_id = $forecast_id and quarter_id = $quarter_id;

delete from clari.forecast_user_sighting where forecast_id = $forecast_id and quarter_id = $quarter_id;

delete from clari.forecast_swing
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_swing_summary
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.forecast_swing_contribution
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.mart_part_version where forecast_id = $forecast_id and quarter_id = $quarter_id;
