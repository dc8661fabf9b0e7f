-- The calls of the weeks that had ended before the first export, all at once, as that export told them: to one moment
-- belongs one state of the entries, and most calls stand in their own week. The same calls as forecast_call.sql's.
insert into clari.forecast_call_week (
    forecast_id, time_period_id, time_frame_id, user_id, field_id, week_number, week_start_date, week_end_date,
    week_closes_at, weeks_to_end, as_of, is_week_over, is_backfilled, user_name, role_id, role_name, parent_role_id, parent_role_name,
    is_top, call_value, is_submitted, call_by, call_at, adjustment_value, quota_value, crm_closed, crm_total,
    pipeline_closed, currency_code, field_name
)
with week as (select * from forecast_week where list_contains($weeks, time_period_id || ' ' || time_frame_id)),

state as not materialized (
    select
        entry.time_period_id, entry.user_id, entry.field_id, listed.position, entry.forecast_value, entry.quota_value,
        entry.adjustment_value, entry.crm_total, entry.crm_closed, entry.currency_code, entry.updated_by,
        entry.updated_at, entry.adjusted_by, entry.adjusted_at, entry.is_present,
        $use_adjusted
        and entry.adjustment_value is not null
        and not (entry.adjustment_value = 0 and entry.adjusted_by is null and entry.adjusted_at is null) as is_overridden,
        entry.forecast_value is not null
        and not (entry.forecast_value = 0 and entry.is_updated is not distinct from false) as is_written
    from clari.forecast_entry_history as entry
    inner join forecast_week as listed using (time_period_id, time_frame_id)
    where
        entry.forecast_id = $forecast_id
        and entry.time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
        and entry.valid_from <= $as_of
        and (entry.valid_to > $as_of or entry.valid_to is null)
),

-- A forecast field is one for which any entry of the period has a call, whatever its type says.
forecast_field as (
    select distinct time_period_id, field_id from backfilled_place where has_call
),

-- Where a field's closed or pipeline stands elsewhere.
other_field as (
    select time_period_id, closed_field_id as field_id from measure_field where closed_field_id <> field_id
    union
    select time_period_id, pipeline_field_id from measure_field where pipeline_field_id <> field_id
),

slot as (
    select place.time_period_id, place.user_id, place.field_id, week.position
    from backfilled_place as place
    left join forecast_field using (time_period_id, field_id)
    left join other_field using (time_period_id, field_id)
    inner join week using (time_period_id)
    where
        place.weeks_told < place.weeks_due
        and week.position >= place.first_position
        and (forecast_field.field_id is not null or other_field.field_id is not null)
),

-- Weeks of which nothing is told for the person and field.
missing as materialized (
    select slot.time_period_id, slot.user_id, slot.field_id, slot.position
    from slot
    left join state using (time_period_id, user_id, field_id, position)
    where state.position is null
),

-- For these, and for weeks in which nothing was submitted: the newest week before.
lacking as (
    select time_period_id, user_id, field_id, position from missing
    union all
    select state.time_period_id, state.user_id, state.field_id, state.position
    from state
    inner join week using (time_period_id, position)
    where not (state.is_overridden or state.is_written)
),

before_it as materialized (
    select
        lacking.time_period_id, lacking.user_id, lacking.field_id, lacking.position,
        max(state.position) as newest_position,
        max(case when state.is_overridden or state.is_written then state.position end) as standing_position
    from lacking
    inner join state using (time_period_id, user_id, field_id)
    where state.position < lacking.position
    group by lacking.time_period_id, lacking.user_id, lacking.field_id, lacking.position
),

standing as materialized (
    select
        before_it.time_period_id, before_it.user_id, before_it.field_id, before_it.position,
        case when state.is_overridden then state.adjustment_value else state.forecast_value end as call_value,
        case when state.is_overridden then state.adjusted_by else state.updated_by end as call_by,
        case when state.is_overridden then state.adjusted_at else state.updated_at end as call_at,
        case when state.is_overridden then state.adjustment_value end as adjustment_value,
        state.currency_code
    from before_it
    inner join state using (time_period_id, user_id, field_id)
    where state.position = before_it.standing_position
),

own as not materialized (
    select
        state.time_period_id, state.user_id, state.field_id, state.position,
        state.is_overridden or state.is_written as is_submitted,
        case when state.is_overridden then state.adjustment_value when state.is_written then state.forecast_value end as call_value,
        case when state.is_overridden then state.adjusted_by when state.is_written then state.updated_by end as call_by,
        case when state.is_overridden then state.adjusted_at when state.is_written then state.updated_at end as call_at,
        state.adjustment_value, state.crm_total, state.crm_closed, state.currency_code
    from state
    inner join week using (time_period_id, position)
    union all
    select
        missing.time_period_id, missing.user_id, missing.field_id, missing.position, false, null, null, null,
        state.adjustment_value, state.crm_total, state.crm_closed, state.currency_code
    from missing
    inner join before_it using (time_period_id, user_id, field_id, position)
    inner join state using (time_period_id, user_id, field_id)
    where state.position = before_it.newest_position
),

known as not materialized (
    select
        own.time_period_id, own.user_id, own.field_id, own.position, own.is_submitted,
        case when own.is_submitted then own.call_value else standing.call_value end as call_value,
        case when own.is_submitted then own.call_by else standing.call_by end as call_by,
        case when own.is_submitted then own.call_at else standing.call_at end as call_at,
        case
            when own.is_submitted or standing.adjustment_value is null then own.adjustment_value
            else standing.adjustment_value
        end as adjustment_value,
        case
            when own.is_submitted or standing.adjustment_value is null then own.currency_code
            else standing.currency_code
        end as adjustment_currency_code,
        own.crm_total, own.crm_closed,
        own.currency_code as own_currency_code,
        case when own.is_submitted then own.currency_code else coalesce(standing.currency_code, own.currency_code) end as currency_code
    from own
    left join standing using (time_period_id, user_id, field_id, position)
),

elsewhere as (
    select known.*
    from known
    inner join other_field using (time_period_id, field_id)
),

-- The newest quota: of the week or before it, else the next one.
quota_position as (
    select
        week.time_period_id, week.position, state.user_id, state.field_id,
        coalesce(
            max(case when state.position <= week.position then state.position end), min(state.position)
        ) as quota_position
    from week
    inner join state using (time_period_id)
    where state.quota_value is not null and state.field_id in (select measure_field.quota_field_id from measure_field)
    group by week.time_period_id, week.position, state.user_id, state.field_id
),

quota as (
    select
        quota_position.time_period_id, quota_position.position, quota_position.user_id, quota_position.field_id,
        state.quota_value, state.currency_code
    from quota_position
    inner join state using (time_period_id, user_id, field_id)
    where state.position = quota_position.quota_position
),

-- The one whose row is the total; where several stand at the top and none is named there is none.
head as (
    select person.user_id, count(*) over () as heads
    from week_person as person
    where
        person.is_top
        and (cast($top_user as varchar) is null or $top_user in (person.user_id, person.email, person.name))
        and person.user_id in (
            select place.user_id
            from backfilled_place as place
            inner join forecast_field using (time_period_id, field_id)
            where place.is_present
        )
)

select
    $forecast_id, known.time_period_id, week.time_frame_id, known.user_id, known.field_id, week.week_number,
    week.start_date, week.end_date, week.closes_at, week.weeks_to_end, $as_of, true, true, person.name, person.role_id,
    person.role_name, person.parent_role_id, person.parent_role_name,
    known.user_id in (select head.user_id from head where head.heads = 1),
    known.call_value, known.is_submitted, known.call_by, known.call_at,
    case when coalesce(known.adjustment_currency_code = known.currency_code, true) then known.adjustment_value end,
    case when coalesce(quota.currency_code = known.currency_code, true) then quota.quota_value end,
    case
        when measure_field.closed_field_id <> known.field_id or measure_field.closed_field_id is null
            then case when coalesce(closed.own_currency_code = known.currency_code, true) then closed.crm_closed end
        when coalesce(known.own_currency_code = known.currency_code, true) then known.crm_closed
    end,
    case
        when measure_field.pipeline_field_id <> known.field_id or measure_field.pipeline_field_id is null
            then case when coalesce(pipeline.own_currency_code = known.currency_code, true) then pipeline.crm_total end
        when coalesce(known.own_currency_code = known.currency_code, true) then known.crm_total
    end,
    case
        when measure_field.pipeline_field_id <> known.field_id or measure_field.pipeline_field_id is null
            then case when coalesce(pipeline.own_currency_code = known.currency_code, true) then pipeline.crm_closed end
        when coalesce(known.own_currency_code = known.currency_code, true) then known.crm_closed
    end,
    known.currency_code, named.field_name
from known
inner join backfilled_place as place using (time_period_id, user_id, field_id)
inner join forecast_field using (time_period_id, field_id)
inner join week using (time_period_id, position)
left join measure_field using (time_period_id, field_id)
left join elsewhere as closed
    on
        measure_field.closed_field_id <> known.field_id
        and closed.time_period_id = known.time_period_id and closed.user_id = known.user_id
        and closed.field_id = measure_field.closed_field_id
        and closed.position = known.position
left join elsewhere as pipeline
    on
        measure_field.pipeline_field_id <> known.field_id
        and pipeline.time_period_id = known.time_period_id and pipeline.user_id = known.user_id
        and pipeline.field_id = measure_field.pipeline_field_id
        and pipeline.position = known.position
left join quota
    on
        quota.time_period_id = known.time_period_id and quota.user_id = known.user_id
        and quota.field_id = measure_field.quota_field_id
        and quota.position = known.position
left join week_person as person on person.user_id = known.user_id
left join clari.forecast_field as named on named.forecast_id = $forecast_id and named.field_id = known.field_id
where place.is_present;
