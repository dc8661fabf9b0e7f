-- The calls of one export: the newest submitted call in or before the export's week of the call.
insert into forecast_call
with state as not materialized (
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

positioned as not materialized (
    select
        state.*,
        week.position,
        week.position <= call_week.position as is_before_or_in_call_week
    from state
    inner join week on week.time_frame_id = state.time_frame_id
    left join week as call_week on call_week.time_frame_id = $call_time_frame_id
),

-- The newest week up to that of the call: in it stands what the calls are held against.
newest_week as (
    select
        time_period_id,
        user_id,
        field_id,
        max(case when is_before_or_in_call_week then position end) as position
    from positioned
    group by time_period_id, user_id, field_id
),

newest as (
    select positioned.*
    from positioned
    inner join newest_week
        on
            newest_week.time_period_id = positioned.time_period_id
            and newest_week.user_id = positioned.user_id
            and newest_week.field_id = positioned.field_id
            and newest_week.position = positioned.position
),

submitted as not materialized (
    select
        *,
        $use_adjusted
        and adjustment_value is not null
        and not (adjustment_value = 0 and adjusted_by is null and adjusted_at is null) as is_overridden
    from positioned
    where
        is_before_or_in_call_week
        and (
            (forecast_value is not null and not (forecast_value = 0 and is_updated is not distinct from false))
            or (
                $use_adjusted
                and adjustment_value is not null
                and not (adjustment_value = 0 and adjusted_by is null and adjusted_at is null)
            )
        )
),

standing_week as (
    select time_period_id, user_id, field_id, max(position) as position
    from submitted
    group by time_period_id, user_id, field_id
),

standing as (
    select
        submitted.*,
        case when is_overridden then adjustment_value else forecast_value end as written_value,
        submitted.time_frame_id = $call_time_frame_id as is_call_week
    from submitted
    inner join standing_week
        on
            standing_week.time_period_id = submitted.time_period_id
            and standing_week.user_id = submitted.user_id
            and standing_week.field_id = submitted.field_id
            and standing_week.position = submitted.position
),

-- The newest quota: of the week of the call or before it, else the next one.
quota as (
    select measure_field.time_period_id, measure_field.field_id, state.user_id, state.quota_value
    from state
    inner join measure_field
        on
            measure_field.time_period_id = state.time_period_id
            and measure_field.quota_field_id = state.field_id
    left join week on week.time_frame_id = state.time_frame_id
    left join week as call_week on call_week.time_frame_id = $call_time_frame_id
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
    pipeline.crm_total,
    closed.crm_closed,
    quota.quota_value,
    case when standing.is_overridden then standing.adjusted_by else standing.updated_by end,
    case when standing.is_overridden then standing.adjusted_at else standing.updated_at end
from presence
left join measure_field
    on
        measure_field.time_period_id = presence.time_period_id
        and measure_field.field_id = presence.field_id
left join newest as closed
    on
        closed.time_period_id = presence.time_period_id
        and closed.user_id = presence.user_id
        and closed.field_id = measure_field.closed_field_id
left join newest as pipeline
    on
        pipeline.time_period_id = presence.time_period_id
        and pipeline.user_id = presence.user_id
        and pipeline.field_id = measure_field.pipeline_field_id
left join quota
    on
        quota.time_period_id = presence.time_period_id
        and quota.user_id = presence.user_id
        and quota.field_id = presence.field_id
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

-- The people whom it showed, as it showed them.
insert into person_at
select
    $job_id,
    sighting.user_id,
    sighting.crm_user_id,
    sighting.name,
    sighting.email,
    sighting.role_id,
    sighting.role_name,
    sighting.parent_role_id
from clari.forecast_user_sighting as sighting
left join clari.export_job as shown_by on shown_by.job_id = sighting.job_id
where
    sighting.forecast_id = $forecast_id
    and sighting.quarter_id = $quarter_id
    and sighting.first_seen_at <= $as_of
    and sighting.last_seen_at >= $as_of
qualify
    row_number() over (
        partition by sighting.user_id
        order by
            sighting.last_seen_at desc, sighting.first_seen_at desc, shown_by.submitted_at desc, shown_by.request_id desc
    ) = 1;
