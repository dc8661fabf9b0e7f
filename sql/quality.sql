-- What the gate asks of the warehouse.

-- name: contract_before
-- Grain: one row per key and kind that documents of this shape had before this export: the kinds are those of the newest
-- document in which the key had a value. The keys of the newest document that was asked for in the same way are marked.
with before as (
    select
        contract,
        max(exported_at) as last_seen_at,
        max(
            case
                when
                    time_period_id = $quarter_id
                    and scope_id is not distinct from $scope_id
                    and include_historical is not distinct from $include_historical
                    and types_to_export is not distinct from $types_to_export
                    then exported_at
            end
        ) as last_asked_at
    from clari.export_job
    where forecast_id = $forecast_id and state in ('LOADED', 'RETIRED') and exported_at < $exported_at
    group by contract
),

shown as (
    select
        known.path, known.kind, known.is_always, before.last_seen_at,
        before.last_asked_at = max(before.last_asked_at) over () as is_of_previous
    from before
    inner join clari.document_contract as known
        on known.forecast_id = $forecast_id and known.contract = before.contract and known.shape = $shape
),

ranked as (
    select
        *,
        rank() over (
            partition by path order by case when kind = 'null' then 1 else 0 end, last_seen_at desc
        ) as place
    from shown
)

select path, kind, bool_or(coalesce(is_of_previous and is_always, false)) as was_always
from ranked
where place = 1 or is_of_previous
group by path, kind
order by path, kind;

-- name: currencies_changed
-- Grain: one row per pair of currencies: entries whose currency is not the one known before.
select known.currency_code as known_currency, entry.currency_code as currency, count(*) as entries
from stage_entry as entry
inner join clari.forecast_entry as known
    on
        known.forecast_id = $forecast_id and known.quarter_id = $quarter_id
        and known.time_period_id = entry.time_period_id and known.time_frame_id = entry.time_frame_id
        and known.user_id = entry.user_id and known.field_id = entry.field_id
where entry.currency_code <> upper(known.currency_code)
group by known.currency_code, entry.currency_code
order by known_currency, currency, entries;

-- name: fields_known
select field_id, field_name
from clari.forecast_field
where forecast_id = $forecast_id
order by field_id;

-- name: movement_faults
-- How many rows of forecast_movement do not add up, or, of these weeks, begin or end elsewhere than their weeks' calls.
with mart as (
    select movement.*, list_contains($weeks, movement.time_frame_id) as is_asked
    from clari.forecast_movement as movement
    where
        movement.forecast_id = $forecast_id
        and movement.time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
),

-- Few of all that a warehouse of many quarters holds.
week_call as (
    select week.time_period_id, week.time_frame_id, week.user_id, week.field_id, week.call_value
    from clari.forecast_call_week as week
    where
        week.forecast_id = $forecast_id
        and week.time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
        and (
            list_contains($weeks, week.time_frame_id)
            or week.time_frame_id in (select mart.previous_time_frame_id from mart where mart.is_asked)
        )
)

select cast(count(*) as bigint) as faults
from mart
left join week_call as at_end using (time_period_id, time_frame_id, user_id, field_id)
left join week_call as at_start
    on
        at_start.time_period_id = mart.time_period_id
        and at_start.time_frame_id = mart.previous_time_frame_id
        and at_start.user_id = mart.user_id
        and at_start.field_id = mart.field_id
where
    (
        mart.is_asked
        and (mart.end_value is distinct from at_end.call_value or mart.start_value is distinct from at_start.call_value)
    )
    or mart.change_amount <> coalesce(mart.end_value, 0) - coalesce(mart.start_value, 0)
    or mart.change_amount
    <> cast(mart.raised_amount as decimal(38, 4))
    + mart.lowered_amount + mart.new_amount + mart.gone_amount + mart.judgement_amount;

-- name: previous_export
-- The newest loaded export of the quarter that was asked for in the same way, before this one.
select job_id, exported_at, rows_exported
from clari.export_job
where
    forecast_id = $forecast_id
    and time_period_id = $quarter_id
    and state = 'LOADED'
    and exported_at < $exported_at
    and scope_id is not distinct from $scope_id
    and include_historical is not distinct from $include_historical
    and types_to_export is not distinct from $types_to_export
    and source = $source
order by exported_at desc, submitted_at desc
limit 1;

-- name: quota_ambiguous
-- Grain: one row per period whose quota stands on several fields, none of them named, and where some field needs it.
select quota_field.time_period_id, quota_field.field_ids
from quota_field
where
    quota_field.field_id is null
    and exists (
        select 1
        from measure_field
        where measure_field.time_period_id = quota_field.time_period_id and measure_field.quota_field_id is null
    )
order by quota_field.time_period_id;

-- name: swings_of
-- Grain: one row per swing of an export, the largest first.
select
    swing.baseline, swing.user_id,
    person.name as user_name,
    swing.time_period_id, swing.field_id,
    coalesce(field.field_name, swing.field_id) as field_name,
    swing.previous_value, swing.current_value, swing.change_amount, swing.change_pct, swing.reason
from clari.forecast_swing as swing
left join clari.forecast_user as person using (forecast_id, user_id)
left join clari.forecast_field as field using (forecast_id, field_id)
where swing.job_id = $job_id and swing.is_swing
order by abs(swing.change_amount) desc, swing.user_id, swing.field_id, swing.baseline;

-- name: part_shown
-- One row: the top person of a staged document without any of the organisation's top people, by person_shown. Null
-- where the document has one of them, and where none is known.
select min(staged.user_id) as shown_from
from stage_user as staged
where
    staged.is_top
    and exists (select 1 from person_shown as top where top.is_top and top.is_shown)
    and not exists (
        select 1
        from person_shown as top
        inner join stage_user as shown using (user_id)
        where top.is_top and top.is_shown
    );

-- name: tops_known
-- Grain: one row per person at the top of the hierarchy, from person_shown: exports of a scope do not decide who stands there.
select user_id, name, email
from person_shown
where is_top and is_shown
order by user_id
limit 20;
