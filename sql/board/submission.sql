-- Grain: one row a forecast, period, forecast field and person, as many as are shown, of whose call of the newest week
-- something is to be said: it was not submitted, somebody has replaced it, or it is below what has closed.
with latest as (
    select forecast_id, time_period_id, max(week_number) as week_number
    from clari.call_submission
    group by forecast_id, time_period_id
),

placed as (
    select
        week.forecast_id,
        week.time_period_id,
        week.field_id,
        coalesce(week.user_name, week.user_id) as user_name,
        week.role_name, week.week_number, week.week_start_date, week.week_end_date, week.is_submitted,
        week.is_overridden, week.override_value,
        coalesce(manager.name, week.overridden_by) as overridden_by,
        week.is_below_closed, week.call_value, week.crm_closed, week.currency_code,
        row_number() over (
            partition by week.forecast_id, week.time_period_id, week.field_id
            order by
                case when week.is_below_closed then 0 when not week.is_submitted then 1 else 2 end,
                abs(coalesce(week.call_value, 0)) desc,
                week.user_name,
                week.user_id
        ) as place,
        count(*) over (partition by week.forecast_id, week.time_period_id, week.field_id) as people
    from clari.call_submission as week
    inner join latest using (forecast_id, time_period_id, week_number)
    left join clari.forecast_user as manager
        on manager.forecast_id = week.forecast_id and manager.user_id = week.overridden_by
    where not week.is_submitted or week.is_overridden or week.is_below_closed
)

select *
from placed
where place <= $most
order by forecast_id, time_period_id, field_id, place;
