-- A comparison as a whole, while each of its calls has a row; or every comparison that has none yet.
delete from clari.forecast_swing_summary where job_id = $job_id and baseline = $baseline;

insert into clari.forecast_swing_summary (
    forecast_id, time_period_id, field_id, baseline, compared, moved, swung, sum_before, sum_after,
    previous_currency_code, currency_code, kept, judged, has_cents, previous_job_id, job_id, detected_at,
    field_name
)
with compared as (
    select
        swing.*,
        swing.previous_value is distinct from swing.current_value as is_moved,
        case
            when swing.previous_value is not null then coalesce(swing.previous_currency_code, swing.currency_code)
        end as money_before,
        case when swing.current_value is not null then swing.currency_code end as money_after,
        not coalesce(swing.is_muted, false)
        and swing.previous_value is not null
        and swing.current_value is not null
        and coalesce(swing.reason, '') not in (
            'currency_changed', 'request_changed', 'restated', 'new', 'disappeared', 'not_submitted'
        ) as is_judged
    from clari.forecast_swing as swing
    where
        ($every_job or (swing.job_id = $job_id and swing.baseline = $baseline))
        and not exists (
            select 1
            from clari.forecast_swing_summary as known
            where known.job_id = swing.job_id and known.baseline = swing.baseline
        )
),

summed as (
    select
        forecast_id, time_period_id, field_id, baseline,
        count(*) as compared,
        count(case when is_moved then 1 end) as moved,
        count(case when is_swing then 1 end) as swung,
        sum(cast(previous_value as decimal(38, 4))) as sum_before,
        sum(cast(current_value as decimal(38, 4))) as sum_after,
        count(distinct money_before) as monies_before,
        count(distinct money_after) as monies_after,
        max(money_before) as previous_currency_code,
        max(money_after) as currency_code,
        count(case when is_moved or reason is not null then 1 end) as kept,
        count(case when is_judged then 1 end) as judged,
        max(
            case
                when
                    is_judged and (previous_value <> floor(previous_value) or current_value <> floor(current_value))
                    then 1
                else 0
            end
        ) as has_cents,
        max(previous_job_id) as previous_job_id,
        job_id,
        max(detected_at) as detected_at,
        max(field_name) as field_name
    from compared
    group by forecast_id, time_period_id, field_id, baseline, job_id
)

select
    forecast_id, time_period_id, field_id, baseline, compared, moved, swung,
    -- Null where the column cannot hold it.
    case
        when monies_before <= 1 and abs(sum_before) < 100000000000000 then cast(sum_before as decimal(18, 4))
    end as sum_before,
    case
        when monies_after <= 1 and abs(sum_after) < 100000000000000 then cast(sum_after as decimal(18, 4))
    end as sum_after,
    case when monies_before = 1 then previous_currency_code end as previous_currency_code,
    case when monies_after = 1 then currency_code end as currency_code,
    kept, judged,
    has_cents = 1 as has_cents,
    previous_job_id, job_id, detected_at, field_name
from summed;
