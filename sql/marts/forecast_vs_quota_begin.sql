-- The quarter's rows are made anew.
delete from clari.forecast_vs_quota
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

delete from clari.mart_version where forecast_id = $forecast_id and quarter_id = $quarter_id;

insert into clari.mart_version (forecast_id, quarter_id, made_of) values ($forecast_id, $quarter_id, $made_of);
