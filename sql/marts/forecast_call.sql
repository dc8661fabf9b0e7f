-- The calls of one export: the newest submitted call in or before the export's week of the call.
insert into forecast_call
with state as (
    select *
    from clari.forecast_entry_history
    where
        forecast_id = $forecast_id
        and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
        and valid_from <= $as_of
        and (valid_to > $as_of or valid_to is null)
),

-- One order of weeks for the whole document, whatever the period.
week as (
    select
        time_frame_id,
        row_number() over (order by min(start_date) nulls last, time_frame_id) as position
    from clari.time_frame
    where time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    group by time_frame_id
),

-- A forecast field is one for which any entry of the period has a call, whatever its type says.
forecast_field as (
    select distinct time_period_id, field_id
    from state
    where forecast_value is not null
),

written as (
    select
        state.*,
        week.position,
        state.time_frame_id = $call_time_frame_id as is_call_week,
        $use_adjusted
        and state.adjustment_value is not null
        and not (state.adjustment_value = 0 and state.adjusted_by is null and state.adjusted_at is null)
            as is_overridden
    from state
    inner join week on week.time_frame_id = state.time_frame_id
    inner join forecast_field
        on
            forecast_field.time_period_id = state.time_period_id
            and forecast_field.field_id = state.field_id
    where week.position <= (select call_week.position from week as call_week where call_week.time_frame_id = $call_time_frame_id)
),

judged as (
    select
        *,
        case when is_overridden then adjustment_value else forecast_value end as written_value,
        is_overridden
        or (forecast_value is not null and not (forecast_value = 0 and is_updated is not distinct from false))
            as was_submitted
    from written
),

newest as (
    select *
    from judged
    qualify row_number() over (partition by time_period_id, user_id, field_id order by position desc) = 1
),

standing as (
    select *
    from judged
    where was_submitted
    qualify row_number() over (partition by time_period_id, user_id, field_id order by position desc) = 1
),

presence as (
    select state.time_period_id, state.user_id, state.field_id, bool_or(state.is_present) as is_present
    from state
    inner join forecast_field
        on
            forecast_field.time_period_id = state.time_period_id
            and forecast_field.field_id = state.field_id
    group by state.time_period_id, state.user_id, state.field_id
)

select
    $job_id,
    presence.time_period_id,
    presence.user_id,
    presence.field_id,
    standing.written_value,
    coalesce(standing.is_call_week, false),
    presence.is_present,
    coalesce(standing.currency_code, newest.currency_code),
    newest.adjustment_value,
    newest.crm_total,
    newest.crm_closed
from presence
left join newest
    on
        newest.time_period_id = presence.time_period_id
        and newest.user_id = presence.user_id
        and newest.field_id = presence.field_id
left join standing
    on
        standing.time_period_id = presence.time_period_id
        and standing.user_id = presence.user_id
        and standing.field_id = presence.field_id;
