-- A sign of money that older exports of the quarter wrote is the code that a newer one writes: of all where
-- $entries are one empty text, else of these, each a person and a field with a blank between them.
update clari.forecast_entry_state
set currency_code = $code
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and currency_code = $sign
    and (list_contains($entries, '') or list_contains($entries, user_id || ' ' || field_id));

update clari.forecast_entry_history
set currency_code = $code
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and currency_code = $sign
    and (list_contains($entries, '') or list_contains($entries, user_id || ' ' || field_id));

update clari.forecast_swing
set
    currency_code = case when currency_code = $sign then $code else currency_code end,
    previous_currency_code = case when previous_currency_code = $sign then $code else previous_currency_code end
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and $sign in (currency_code, previous_currency_code)
    and (list_contains($entries, '') or list_contains($entries, user_id || ' ' || field_id));

update clari.forecast_swing_contribution
set currency_code = $code
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and currency_code = $sign
    and (list_contains($entries, '') or list_contains($entries, report_user_id || ' ' || field_id));

update clari.forecast_swing_summary
set
    currency_code = case when currency_code = $sign then $code else currency_code end,
    previous_currency_code = case when previous_currency_code = $sign then $code else previous_currency_code end
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and $sign in (currency_code, previous_currency_code)
    and list_contains($entries, '');

delete from clari.mart_part_version where forecast_id = $forecast_id and quarter_id = $quarter_id;
