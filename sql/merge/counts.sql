-- What entry_change did, and how many rows of the table the export left its mark on.
select
    count(*) filter (where change = 'INSERT') as rows_inserted,
    count(*) filter (where change = 'UPDATE') as rows_updated,
    count(*) filter (where change = 'SAME') as rows_unchanged,
    count(*) filter (where change = 'GONE') as rows_disappeared,
    (
        select count(*)
        from clari.forecast_entry
        where forecast_id = $forecast_id and job_id = $job_id and exported_at = $exported_at and in_latest_export
    ) as rows_merged
from entry_change;
