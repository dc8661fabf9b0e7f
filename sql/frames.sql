-- Rows of a table or mart for people's notebooks, without an order.

-- name: rows
select * from clari.{table};

-- name: rows_of_period
-- Those of a quarter and of the months in it.
select *
from clari.{table}
where
    time_period_id = $quarter_id
    or time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

-- name: rows_of_quarter
-- Those that a quarter's exports show: of the quarter, the months in it, and periods around it.
select * from clari.{table} where quarter_id = $quarter_id;
