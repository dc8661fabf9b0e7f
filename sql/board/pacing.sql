-- Grain: one row a forecast, period, forecast field and week: what had closed of the quota of the one at the top.
select
    forecast_id,
    time_period_id,
    field_id,
    week_number,
    weeks_to_end,
    is_week_over,
    is_backfilled,
    crm_closed,
    quota_value,
    attainment_pct,
    closed_to_final_pct,
    previous_period_id,
    year_ago_period_id,
    currency_code
from clari.attainment_pacing
where is_top
order by forecast_id, time_period_id, field_id, week_number;
