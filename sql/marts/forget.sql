-- Periods and weeks are shared by all forecasts: the quarter of each is to be made anew.
delete from clari.mart_version where quarter_id = $quarter_id;
