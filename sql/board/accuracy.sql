-- Grain: one row a forecast, finished period, forecast field and person, as many as are shown: how near the calls came to
-- what closed. The one at the top first, then who closed most.
with person as (
    select
        *,
        row_number() over (
            partition by forecast_id, time_period_id, field_id, user_id order by week_number desc, time_frame_id desc
        ) as newest
    from clari.forecast_accuracy
),

placed as (
    select
        forecast_id,
        time_period_id,
        field_id,
        user_id,
        coalesce(user_name, user_id) as user_name,
        role_name,
        is_top,
        is_provisional,
        call_value,
        actual_value,
        wape,
        bias,
        weeks_compared,
        weeks_backfilled,
        currency_code,
        row_number() over (
            partition by forecast_id, time_period_id, field_id
            order by case when is_top then 0 else 1 end, abs(coalesce(actual_value, 0)) desc, user_name, user_id
        ) as place,
        count(*) over (partition by forecast_id, time_period_id, field_id) as people
    from person
    where newest = 1
)

select
    forecast_id,
    time_period_id,
    field_id,
    user_name,
    role_name,
    is_top,
    is_provisional,
    call_value,
    actual_value,
    wape,
    bias,
    weeks_compared,
    weeks_backfilled,
    currency_code,
    people
from placed
where place <= $most
order by forecast_id, time_period_id, field_id, place;
