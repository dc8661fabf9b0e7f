-- Grain: one row a known entry of the quarter that the document does not show.
-- known_job_id is the export that the row names, job_id the one that last showed it.
create or replace temp table entry_unshown as
select
    known.time_period_id, known.time_frame_id, known.user_id, known.field_id, known.forecast_value, known.quota_value,
    known.adjustment_value, known.crm_total, known.crm_closed, known.in_latest_export,
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
    and known.time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and not exists (
        select 1
        from stage_entry as entry
        where
            entry.time_period_id = known.time_period_id and entry.time_frame_id = known.time_frame_id
            and entry.user_id = known.user_id and entry.field_id = known.field_id
    );

-- Grain: one row a known entry that the export could have shown and does not.
create or replace temp table entry_gone as
select known.time_period_id, known.time_frame_id, known.user_id, known.field_id, known.job_id, known.exported_at
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
    -- A row whose every figure is of types that were not asked for could not have been shown.
    and (
        ($has_forecast and known.forecast_value is not null)
        or ($has_quota and known.quota_value is not null)
        or ($has_adjustment and known.adjustment_value is not null)
        or ($has_crm_total and known.crm_total is not null)
        or ($has_crm_closed and known.crm_closed is not null)
        or coalesce(
            known.forecast_value, known.quota_value, known.adjustment_value, known.crm_total, known.crm_closed
        ) is null
    );

-- Grain: one row a period and export that present rows name of which the document says nothing: what it shows of the
-- others that name it is to be kept apart from them.
create or replace temp table job_set_apart as
select distinct known.time_period_id, known.known_job_id
from entry_unshown as known
where
    known.in_latest_export
    and not exists (
        select 1
        from entry_gone as gone
        where
            gone.time_period_id = known.time_period_id and gone.time_frame_id = known.time_frame_id
            and gone.user_id = known.user_id and gone.field_id = known.field_id
    );

-- Grain: one row a staged entry that is known already.
-- change: UPDATE (changed, or shown again), SAME. A measure that the export did not ask for keeps its value.
-- is_written: the known row is to be written; else forecast_entry_sighting says that it was seen.
create or replace temp table entry_change as
with known as (
    select *
    from clari.forecast_entry_state
    where
        forecast_id = $forecast_id
        and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
),

compared as (
    select
        entry.entry_no, known.in_latest_export,
        entry.scope_id is distinct from known.scope_id as is_of_another_scope,
        apart.known_job_id is not null as is_set_apart,
        (
            case when $has_forecast then entry.forecast_value is distinct from known.forecast_value else false end
            or case when $has_quota then entry.quota_value is distinct from known.quota_value else false end
            or case when $has_adjustment then entry.adjustment_value is distinct from known.adjustment_value else false end
            or case when $has_crm_total then entry.crm_total is distinct from known.crm_total else false end
            or case when $has_crm_closed then entry.crm_closed is distinct from known.crm_closed else false end
            or case when $has_forecast_updated then entry.is_updated is distinct from known.is_updated else false end
            or case when $has_forecast_updated then entry.updated_by is distinct from known.updated_by else false end
            or case when $has_forecast_updated then entry.updated_at is distinct from known.updated_at else false end
            or case when $has_adjustment then entry.adjusted_by is distinct from known.adjusted_by else false end
            or case when $has_adjustment then entry.adjusted_at is distinct from known.adjusted_at else false end
            or (entry.currency_code is not null and entry.currency_code is distinct from known.currency_code)
        ) as has_changed
    from stage_entry as entry
    inner join known using (time_period_id, time_frame_id, user_id, field_id)
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
