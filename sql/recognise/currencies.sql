-- Grain: one row a person, field and currency of the quarter's entries.
select distinct user_id, field_id, currency_code
from clari.forecast_entry_state
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and currency_code is not null
order by user_id, field_id, currency_code;
