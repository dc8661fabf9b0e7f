-- name: entry_change, measure: forecast_value, quota_value, adjustment_value, crm_total, crm_closed, submission: is_updated, updated_by, updated_at, override: adjusted_by, adjusted_at, key: time_period_id, time_frame_id, user_id, field_id
-- Grain: one row per known entry of the quarter that the document does not show.
-- known_job_id is the export that the row names, job_id the one that last showed it.
create or replace temp table entry_unshown as
select
    {key: known.*,}, {measure: known.*,}, known.in_latest_export,
    known.job_id as known_job_id,
    coalesce(sighting.job_id, known.job_id) as job_id,
    coalesce(sighting.exported_at, known.exported_at) as exported_at
from clari.forecast_entry_state as known
left join clari.forecast_entry_sighting as sighting
    on
        sighting.forecast_id = known.forecast_id and sighting.time_period_id = known.time_period_id
        and sighting.known_job_id = known.job_id
        and known.in_latest_export
where
    known.forecast_id = $forecast_id
    and known.quarter_id = $quarter_id
    and not exists (select 1 from stage_entry as entry where {key: entry.* = known.* and});

-- Grain: one row per known entry that the export could have shown and does not.
create or replace temp table entry_gone as
select {key: known.*,}, known.job_id, known.exported_at
from entry_unshown as known
left join stage_shown_week as shown_week using (time_period_id, time_frame_id)
left join clari.export_job as shown_by on shown_by.job_id = known.job_id
where
    known.in_latest_export
    and (cast($scope_id as varchar) is null or cast($scope_id as varchar) is not distinct from shown_by.scope_id)
    -- Of weeks that it does not list the document says nothing; without history of those alone that it shows.
    and exists (
        select 1
        from stage_time_frame as listed
        where listed.time_period_id = known.time_period_id and listed.time_frame_id = known.time_frame_id
    )
    and ($include_historical or shown_week.time_frame_id is not null)
    -- What brings without a job only the types that exports refuse says nothing: the export beside it does.
    and ($source = 'EXPORT' or $has_forecast_value)
    -- A row whose every figure is of types that were not asked for could not have been shown.
    and ({measure: ($has_* and known.* is not null) or} or coalesce({measure}) is null);

-- Grain: one row per period and export that present rows name of which the document says nothing: what it shows of the
-- others that name it is to be kept apart from them.
create or replace temp table job_set_apart as
select distinct known.time_period_id, known.known_job_id
from entry_unshown as known
where
    known.in_latest_export
    and not exists (select 1 from entry_gone as gone where {key: gone.* = known.* and});

-- Grain: one row per staged entry that is known already.
-- change: UPDATE (changed, or shown again), SAME. A measure that the export did not ask for keeps its value.
-- is_written: the known row is to be written; else forecast_entry_sighting says that it was seen.
create or replace temp table entry_change as
with known as (
    select *
    from clari.forecast_entry_state
    where
        forecast_id = $forecast_id
        and quarter_id = $quarter_id
),

compared as (
    select
        entry.entry_no, known.in_latest_export,
        entry.scope_id is distinct from known.scope_id as is_of_another_scope,
        apart.known_job_id is not null as is_set_apart,
        (
            {measure: case when $has_* then entry.* is distinct from known.* else false end or}
            or {submission: case when $has_forecast_updated then entry.* is distinct from known.* else false end or}
            or {override: case when $has_adjustment_value then entry.* is distinct from known.* else false end or}
            or (entry.currency_code is not null and entry.currency_code is distinct from known.currency_code)
        ) as has_changed
    from stage_entry as entry
    inner join known using ({key})
    left join job_set_apart as apart
        on apart.time_period_id = known.time_period_id and apart.known_job_id = known.job_id
)

select
    entry_no,
    case when has_changed or not in_latest_export then 'UPDATE' else 'SAME' end as change,
    has_changed,
    has_changed or is_of_another_scope or is_set_apart or not in_latest_export as is_written
from compared;

-- Grain: one row: how many entries the document has, and how many of them are known already.
create or replace temp table entry_counted as
select
    (select count(*) from stage_entry) as rows_staged,
    (select count(*) from entry_change) as rows_known;
