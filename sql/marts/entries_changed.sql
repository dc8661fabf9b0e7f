-- Whether any version of a quarter's entries began or ended between two moments, the second included, or people came
-- or went.
select
    exists (
        select 1
        from clari.forecast_entry_history
        where
            forecast_id = $forecast_id
            and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
            and ((valid_from > $after and valid_from <= $until) or (valid_to > $after and valid_to <= $until))
    )
    or exists (
        select 1
        from clari.forecast_user_sighting
        where
            forecast_id = $forecast_id
            and quarter_id = $quarter_id
            and ((first_seen_at > $after and first_seen_at <= $until) or (last_seen_at >= $after and last_seen_at < $until))
    ) as has_changed;
