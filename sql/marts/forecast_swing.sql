-- Two exports of a forecast's quarter compared, call by call, from forecast_call.
insert into clari.forecast_swing
with exports as (
    select
        now.exported_at,
        now.loaded_at,
        now.call_time_frame_id,
        before.call_time_frame_id as previous_call_time_frame_id,
        now.scope_id is distinct from before.scope_id
        or now.currency is distinct from before.currency
        or now.types_to_export is distinct from before.types_to_export as has_other_request,
        now.exported_at > cast(coalesce(quarter.end_date, $quarter_end) as timestamp) at time zone 'UTC'
        + interval 4 days as is_restated
    from clari.export_job as now
    inner join clari.export_job as before on before.job_id = $previous_job_id
    left join clari.time_period as quarter on quarter.time_period_id = now.time_period_id
    where now.job_id = $job_id
),

compared as (
    select
        coalesce(now.time_period_id, before.time_period_id) as time_period_id,
        coalesce(now.user_id, before.user_id) as user_id,
        coalesce(now.field_id, before.field_id) as field_id,
        before.call_value as previous_value,
        now.call_value as current_value,
        cast(now.call_value as decimal(20, 4)) - before.call_value as change_amount,
        before.user_id is null as is_new,
        now.user_id is null as is_gone,
        now.is_submitted,
        coalesce(now.currency_code, before.currency_code) as currency_code,
        now.currency_code <> before.currency_code as has_other_currency
    from (select * from forecast_call where job_id = $job_id and is_present) as now
    full join (select * from forecast_call where job_id = $previous_job_id and is_present) as before
        on
            before.time_period_id = now.time_period_id
            and before.user_id = now.user_id
            and before.field_id = now.field_id
),

-- Decimal arithmetic: DuckDB's division would make a binary fraction of money.
reasoned as (
    select
        compared.*,
        exports.*,
        case
            when coalesce(has_other_currency, false) then 'currency_changed'
            when has_other_request then 'request_changed'
            when is_restated then 'restated'
            when is_new then 'new'
            when is_gone then 'disappeared'
            when previous_value is null or current_value is null or not is_submitted then 'not_submitted'
            when previous_value = 0 and current_value <> 0 then 'from_zero'
            when previous_value <> 0 and current_value = 0 then 'to_zero'
            when sign(previous_value) * sign(current_value) < 0 then 'sign_flip'
            when
                abs(change_amount)
                > cast(abs(previous_value) as decimal(28, 4)) * cast($threshold as decimal(9, 6))
                then 'above_threshold'
        end as reason
    from compared
    cross join exports
)

select
    $forecast_id as forecast_id,
    time_period_id,
    user_id,
    field_id,
    $baseline as baseline,
    previous_value,
    current_value,
    -- Null where the column cannot hold it (a flip between the largest amounts); is_swing knows all the same.
    try_cast(change_amount as decimal(18, 4)) as change_amount,
    fraction(change_amount, abs(previous_value)) as change_pct,
    coalesce(
        reason in ('from_zero', 'to_zero', 'sign_flip', 'above_threshold')
        and abs(change_amount) >= cast($min_amount as decimal(18, 4)),
        false
    ) as is_swing,
    reason,
    cast($threshold as decimal(18, 6)) as threshold,
    case when not is_gone then call_time_frame_id end as time_frame_id,
    case when not is_new then previous_call_time_frame_id end as previous_time_frame_id,
    currency_code,
    $previous_job_id as previous_job_id,
    $job_id as job_id,
    loaded_at as detected_at
from reasoned;
