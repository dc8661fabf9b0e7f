-- A sign of money that older exports of the quarter wrote is the code that a newer one writes: of a person's field, or
-- of all where none is given.
update clari.forecast_entry_state
set currency_code = $code
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and currency_code = $sign
    and (cast($user_id as varchar) is null or user_id = cast($user_id as varchar))
    and (cast($field_id as varchar) is null or field_id = cast($field_id as varchar));

update clari.forecast_entry_history
set currency_code = $code
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and currency_code = $sign
    and (cast($user_id as varchar) is null or user_id = cast($user_id as varchar))
    and (cast($field_id as varchar) is null or field_id = cast($field_id as varchar));

update clari.forecast_swing
set
    currency_code = case when currency_code = $sign then $code else currency_code end,
    previous_currency_code = case when previous_currency_code = $sign then $code else previous_currency_code end
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and $sign in (currency_code, previous_currency_code)
    and (cast($user_id as varchar) is null or user_id = cast($user_id as varchar))
    and (cast($field_id as varchar) is null or field_id = cast($field_id as varchar));

update clari.forecast_swing_contribution
set currency_code = $code
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and currency_code = $sign
    and (cast($user_id as varchar) is null or report_user_id = cast($user_id as varchar))
    and (cast($field_id as varchar) is null or field_id = cast($field_id as varchar));

update clari.forecast_swing_summary
set
    currency_code = case when currency_code = $sign then $code else currency_code end,
    previous_currency_code = case when previous_currency_code = $sign then $code else previous_currency_code end
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and $sign in (currency_code, previous_currency_code)
    and cast($user_id as varchar) is null
    and cast($field_id as varchar) is null;

delete from clari.mart_part_version where forecast_id = $forecast_id and quarter_id = $quarter_id;
