-- Grain: one row a pair of currencies: entries whose currency is not the one known before.
select known.currency_code as known_currency, entry.currency_code as currency, count(*) as entries
from stage_entry as entry
inner join clari.forecast_entry as known
    on
        known.forecast_id = $forecast_id
        and known.time_period_id = entry.time_period_id
        and known.time_frame_id = entry.time_frame_id
        and known.user_id = entry.user_id
        and known.field_id = entry.field_id
where entry.currency_code <> upper(known.currency_code)
group by known.currency_code, entry.currency_code
order by known_currency, currency, entries;
