-- How many rows of forecast_movement do not add up, or, of these weeks, begin or end elsewhere than their weeks' calls.
select cast(count(*) as bigint) as faults
from clari.forecast_movement as mart
left join clari.forecast_call_week as at_end
    on
        list_contains($weeks, mart.time_frame_id)
        and at_end.forecast_id = mart.forecast_id
        and at_end.time_period_id = mart.time_period_id
        and at_end.time_frame_id = mart.time_frame_id
        and at_end.user_id = mart.user_id
        and at_end.field_id = mart.field_id
left join clari.forecast_call_week as at_start
    on
        list_contains($weeks, mart.time_frame_id)
        and at_start.forecast_id = mart.forecast_id
        and at_start.time_period_id = mart.time_period_id
        and at_start.time_frame_id = mart.previous_time_frame_id
        and at_start.user_id = mart.user_id
        and at_start.field_id = mart.field_id
where
    mart.forecast_id = $forecast_id
    and mart.time_period_id in (select period.time_period_id from clari.time_period as period where period.quarter_id = $quarter_id)
    and (
        (
            list_contains($weeks, mart.time_frame_id)
            and (mart.end_value is distinct from at_end.call_value or mart.start_value is distinct from at_start.call_value)
        )
        or mart.change_amount <> coalesce(mart.end_value, 0) - coalesce(mart.start_value, 0)
        or mart.change_amount
        <> cast(mart.raised_amount as decimal(38, 4))
        + mart.lowered_amount + mart.new_amount + mart.gone_amount + mart.judgement_amount
    );
