-- What the merge did, and how many rows of the table the export left its mark on.
select
    (select rows_staged - rows_known from entry_counted) as rows_inserted,
    (select count(*) from entry_change where change = 'UPDATE') as rows_updated,
    (select count(*) from entry_change where change = 'SAME') as rows_unchanged,
    (select count(*) from entry_gone) as rows_disappeared,
    (
        select count(*)
        from clari.forecast_entry
        where forecast_id = $forecast_id and job_id = $job_id and exported_at = $exported_at and in_latest_export
    ) as rows_merged;
