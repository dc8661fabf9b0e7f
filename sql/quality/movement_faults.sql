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
left join week_call as at_end
    on
        at_end.time_period_id = mart.time_period_id
        and at_end.time_frame_id = mart.time_frame_id
        and at_end.user_id = mart.user_id
        and at_end.field_id = mart.field_id
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
