-- Grain: one row: whether an export's rows still are in the tables, as many as it had, each with the version that is
-- open. Counted, not compared: what is merged from memory is not read again.
select
    (
        select count(*)
        from clari.forecast_entry
        where forecast_id = $forecast_id and job_id = $job_id and exported_at = $exported_at and in_latest_export
    ) as rows_shown,
    (
        select count(*)
        from clari.forecast_entry_state
        where
            forecast_id = $forecast_id
            and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    ) as rows_known,
    (
        select count(*)
        from clari.forecast_entry_history
        where
            forecast_id = $forecast_id
            and valid_to is null
            and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    ) as versions_open;
