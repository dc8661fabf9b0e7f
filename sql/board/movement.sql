-- Grain: one row a forecast, period, forecast field and week: how the call of the one at the top moved.
select
    forecast_id,
    time_period_id,
    field_id,
    week_number,
    week_start_date,
    week_end_date,
    user_name,
    is_week_over,
    is_backfilled,
    start_value,
    raised_amount,
    lowered_amount,
    new_amount,
    gone_amount,
    judgement_amount,
    end_value,
    change_amount,
    reports,
    reports_apart,
    start_currency_code,
    currency_code
from clari.forecast_movement
where is_top
order by forecast_id, time_period_id, field_id, week_number desc;
