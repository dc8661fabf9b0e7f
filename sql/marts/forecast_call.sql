-- The calls of one week as known at one moment, an export's or the week's end: the newest submitted call in or before it.
-- A week is its period's: ids repeat where weeks are numbered within months, and call_day says which of them is meant.
-- Of whom exports no longer list nobody is present, though an export without history says nothing of older weeks.
insert into forecast_call (
    job_id, time_period_id, time_frame_id, user_id, field_id, call_value, is_submitted, is_present, has_begun,
    currency_code, adjustment_value, crm_total, pipeline_closed, crm_closed, quota_value, updated_by, updated_at
)
with state as not materialized (
    select *
    from clari.forecast_entry_history
    where
        forecast_id = $forecast_id
        and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
        and valid_from <= $as_of
        and (valid_to > $as_of or valid_to is null)
),

-- Where the week of the call stands in the order of weeks.
call_week as (
    select coalesce(max(case when start_date <= $call_day then position end), min(position)) as position
    from forecast_week
    where time_frame_id = $call_time_frame_id
),

positioned as not materialized (
    select
        state.*, week.position,
        week.position <= (select call_week.position from call_week) as is_before_or_in_call_week,
        $use_adjusted
        and state.adjustment_value is not null
        and not (state.adjustment_value = 0 and state.adjusted_by is null and state.adjusted_at is null) as is_overridden,
        state.forecast_value is not null
        and not (state.forecast_value = 0 and state.is_updated is not distinct from false) as is_written
    from state
    inner join forecast_week as week using (time_period_id, time_frame_id)
),

-- What a call is held against stands in the newest week up to that of the call; the call itself in the newest of
-- these in which one was submitted.
place as materialized (
    select
        time_period_id, user_id, field_id,
        bool_or(is_present) as is_present,
        bool_or(forecast_value is not null) as has_call,
        max(case when is_before_or_in_call_week then position end) as newest_position,
        max(case when is_before_or_in_call_week and (is_written or is_overridden) then position end) as standing_position
    from positioned
    group by time_period_id, user_id, field_id
),

-- Each period's own week of the call: the document's, or the newest before it of which the period has an entry.
period_week as (
    select week.time_period_id, week.time_frame_id, week.position
    from forecast_week as week
    left join (
        select time_period_id, max(newest_position) as position from place group by time_period_id
    ) as told using (time_period_id)
    where week.position = told.position or week.position = (select call_week.position from call_week)
    qualify row_number() over (partition by week.time_period_id order by week.position desc) = 1
),

found as materialized (
    select
        positioned.*,
        positioned.position = place.newest_position as is_newest,
        positioned.position = place.standing_position as is_standing
    from positioned
    inner join place using (time_period_id, user_id, field_id)
    where positioned.position = place.newest_position or positioned.position = place.standing_position
),

newest as not materialized (select * from found where is_newest),

standing as not materialized (
    select
        found.*,
        case when found.is_overridden then found.adjustment_value else found.forecast_value end as written_value,
        found.position = period_week.position as is_call_week
    from found
    left join period_week using (time_period_id)
    where found.is_standing
),

-- A forecast field is one for which any entry of the period has a call, whatever its type says.
forecast_field as (
    select distinct time_period_id, field_id from place where has_call
),

-- The newest quota: of the week of the call or before it, else the next one.
quota as (
    select measure_field.time_period_id, measure_field.field_id, state.user_id, state.quota_value, state.currency_code
    from state
    inner join measure_field
        on measure_field.time_period_id = state.time_period_id and measure_field.quota_field_id = state.field_id
    left join forecast_week as week on week.time_period_id = state.time_period_id and week.time_frame_id = state.time_frame_id
    cross join call_week
    where state.quota_value is not null
    qualify
        row_number() over (
            partition by measure_field.time_period_id, measure_field.field_id, state.user_id
            order by
                case when week.position <= coalesce(call_week.position, week.position) then 0 else 1 end,
                abs(week.position - coalesce(call_week.position, 0))
        ) = 1
),

presence as (
    select
        place.time_period_id, place.user_id, place.field_id,
        place.is_present and coalesce(person.is_shown, true) as is_present,
        place.newest_position is not null as has_begun,
        coalesce(standing.currency_code, newest.currency_code) as currency_code,
        newest.currency_code as newest_currency_code,
        newest.adjustment_value as newest_adjustment_value,
        standing.written_value,
        coalesce(standing.is_call_week, false) as is_submitted,
        standing.is_overridden,
        standing.adjustment_value as standing_adjustment_value,
        case when standing.is_overridden then standing.adjusted_by else standing.updated_by end as updated_by,
        case when standing.is_overridden then standing.adjusted_at else standing.updated_at end as updated_at
    from place
    inner join forecast_field using (time_period_id, field_id)
    left join person_shown as person using (user_id)
    left join newest using (time_period_id, user_id, field_id)
    left join standing using (time_period_id, user_id, field_id)
)

-- No amount stands under a currency that is not its own.
select
    $job_id, presence.time_period_id, period_week.time_frame_id, presence.user_id, presence.field_id,
    presence.written_value, presence.is_submitted, presence.is_present, presence.has_begun, presence.currency_code,
    case
        when presence.is_overridden then presence.standing_adjustment_value
        when coalesce(presence.newest_currency_code = presence.currency_code, true) then presence.newest_adjustment_value
    end,
    case when coalesce(pipeline.currency_code = presence.currency_code, true) then pipeline.crm_total end,
    case when coalesce(pipeline.currency_code = presence.currency_code, true) then pipeline.crm_closed end,
    case when coalesce(closed.currency_code = presence.currency_code, true) then closed.crm_closed end,
    case when coalesce(quota.currency_code = presence.currency_code, true) then quota.quota_value end,
    presence.updated_by, presence.updated_at
from presence
left join period_week using (time_period_id)
left join measure_field using (time_period_id, field_id)
left join quota using (time_period_id, user_id, field_id)
left join newest as closed
    on
        closed.time_period_id = presence.time_period_id and closed.user_id = presence.user_id
        and closed.field_id = measure_field.closed_field_id
left join newest as pipeline
    on
        pipeline.time_period_id = presence.time_period_id and pipeline.user_id = presence.user_id
        and pipeline.field_id = measure_field.pipeline_field_id;
