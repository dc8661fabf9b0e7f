-- Grain: one row an entry that the export shows, or could have shown and does not.
-- change: INSERT (new), UPDATE (changed, or shown again), SAME, GONE (no longer shown).
-- A measure that the export did not ask for keeps its value.
create or replace temp table entry_change as
with known as (
    select *
    from clari.forecast_entry
    where
        forecast_id = $forecast_id
        and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
),

shown as (
    select
        entry.time_period_id,
        entry.time_frame_id,
        entry.user_id,
        entry.field_id,
        case when $has_forecast then entry.forecast_value else known.forecast_value end as forecast_value,
        case when $has_quota then entry.quota_value else known.quota_value end as quota_value,
        case when $has_adjustment then entry.adjustment_value else known.adjustment_value end as adjustment_value,
        case when $has_crm_total then entry.crm_total else known.crm_total end as crm_total,
        case when $has_crm_closed then entry.crm_closed else known.crm_closed end as crm_closed,
        case when $has_forecast_updated then entry.is_updated else known.is_updated end as is_updated,
        case when $has_forecast_updated then entry.updated_by else known.updated_by end as updated_by,
        case when $has_forecast_updated then entry.updated_at else known.updated_at end as updated_at,
        case when $has_adjustment then entry.adjusted_by else known.adjusted_by end as adjusted_by,
        case when $has_adjustment then entry.adjusted_at else known.adjusted_at end as adjusted_at,
        coalesce(entry.currency_code, known.currency_code) as currency_code,
        entry.scope_id,
        known.user_id is null as is_new,
        known.in_latest_export as was_shown,
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
    left join known
        on
            known.time_period_id = entry.time_period_id
            and known.time_frame_id = entry.time_frame_id
            and known.user_id = entry.user_id
            and known.field_id = entry.field_id
),

gone as (
    select known.*
    from known
    left join clari.export_job as shown_by on shown_by.job_id = known.job_id
    where
        known.in_latest_export
        and ($scope_id is null or $scope_id is not distinct from shown_by.scope_id)
        and ($include_historical or known.time_frame_id in (select stage_entry.time_frame_id from stage_entry))
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
        )
        and not exists (
            select 1
            from stage_entry as entry
            where
                entry.time_period_id = known.time_period_id
                and entry.time_frame_id = known.time_frame_id
                and entry.user_id = known.user_id
                and entry.field_id = known.field_id
        )
)

select
    case when is_new then 'INSERT' when has_changed or not was_shown then 'UPDATE' else 'SAME' end as change,
    is_new or has_changed as has_changed,
    $forecast_id as forecast_id,
    time_period_id,
    time_frame_id,
    user_id,
    field_id,
    forecast_value,
    quota_value,
    adjustment_value,
    crm_total,
    crm_closed,
    currency_code,
    is_updated,
    updated_by,
    updated_at,
    adjusted_by,
    adjusted_at,
    scope_id
from shown
union all
select
    'GONE',
    false,
    forecast_id,
    time_period_id,
    time_frame_id,
    user_id,
    field_id,
    forecast_value,
    quota_value,
    adjustment_value,
    crm_total,
    crm_closed,
    currency_code,
    is_updated,
    updated_by,
    updated_at,
    adjusted_by,
    adjusted_at,
    scope_id
from gone;
