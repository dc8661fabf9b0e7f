-- Of a quarter's newest comparisons every call has a row; of the older ones those alone that moved or have a reason.
delete from clari.forecast_swing
where
    forecast_id = $forecast_id
    and reason is null
    and previous_value = current_value
    and job_id in (
        select older.job_id
        from clari.export_job as older
        where
            older.forecast_id = $forecast_id
            and older.time_period_id = $quarter_id
            and older.exported_at < (
                select max(loaded.exported_at)
                from clari.export_job as loaded
                where
                    loaded.forecast_id = $forecast_id
                    and loaded.time_period_id = $quarter_id
                    and loaded.state = 'LOADED'
                    and coalesce(loaded.types_to_export like '%forecast%' and loaded.scope_id not like 'part:%', true)
            )
    );
