select time_period_id, start_date, end_date from clari.time_period where quarter_id = $quarter_id order by time_period_id;
