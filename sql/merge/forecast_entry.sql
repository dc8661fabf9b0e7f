-- name: forecast_entry, measure: forecast_value, quota_value, adjustment_value, crm_total, crm_closed, submission: is_updated, updated_by, updated_at, override: adjusted_by, adjusted_at, key: time_period_id, time_frame_id, user_id, field_id
-- The newest known values, from entry_change and entry_gone. A row that the document shows unchanged is not touched.
-- A measure that the export did not ask for keeps its value, unless the row's currency is another now.
update clari.forecast_entry_state as known
set
    {measure: * = case
        when $has_* then entry.* when coalesce(entry.currency_code = known.currency_code, true) then known.*
    end,},
    currency_code = coalesce(entry.currency_code, known.currency_code),
    {submission: * = case when $has_forecast_updated then entry.* else known.* end,},
    {override: * = case when $has_adjustment_value then entry.* else known.* end,},
    changed_at = case when change.has_changed then $exported_at else known.changed_at end,
    scope_id = entry.scope_id, in_latest_export = true, last_seen_at = $exported_at, exported_at = $exported_at,
    job_id = $job_id
from stage_entry as entry
inner join entry_change as change on change.entry_no = entry.entry_no and change.is_written
where known.forecast_id = $forecast_id and known.quarter_id = $quarter_id and {key: known.* = entry.* and};

-- From now on the row itself says which export showed it last.
update clari.forecast_entry_state as known
set in_latest_export = false, last_seen_at = gone.exported_at, exported_at = gone.exported_at, job_id = gone.job_id
from entry_gone as gone
where known.forecast_id = $forecast_id and known.quarter_id = $quarter_id and {key: known.* = gone.* and};

insert into clari.forecast_entry_state (
    forecast_id, {key}, {measure}, currency_code, {submission}, {override}, scope_id, in_latest_export, first_seen_at,
    changed_at, last_seen_at, exported_at, job_id, quarter_id
)
select
    $forecast_id, {key},
    {measure: case when $has_* then * end,},
    currency_code,
    {submission: case when $has_forecast_updated then * end,},
    {override: case when $has_adjustment_value then * end,},
    scope_id, true, $exported_at, $exported_at, $exported_at, $exported_at, $job_id, $quarter_id
from stage_entry
where
    exists (select 1 from entry_counted where rows_staged > rows_known)
    and not exists (select 1 from entry_change as change where change.entry_no = stage_entry.entry_no);

-- Present rows that name an export were all shown by this one, or, where it is set apart, none of them was.
delete from clari.forecast_entry_sighting as sighting
where
    sighting.forecast_id = $forecast_id
    and sighting.quarter_id = $quarter_id
    and not exists (
        select 1
        from job_set_apart as apart
        where apart.time_period_id = sighting.time_period_id and apart.known_job_id = sighting.known_job_id
    );

insert into clari.forecast_entry_sighting (forecast_id, time_period_id, known_job_id, job_id, exported_at, quarter_id)
select $forecast_id, known.time_period_id, known.job_id, $job_id, $exported_at, $quarter_id
from (
    select distinct time_period_id, job_id
    from clari.forecast_entry_state
    where
        forecast_id = $forecast_id
        and quarter_id = $quarter_id
        and in_latest_export
) as known
where
    not exists (
        select 1
        from job_set_apart as apart
        where apart.time_period_id = known.time_period_id and apart.known_job_id = known.job_id
    );
