-- The top call of a forecast's quarter, and what it was a week ago, or else at the last sync.
select
    standing.field_name,
    standing.forecast_value as call,
    -- A call without a row has not moved.
    case
        when swing.job_id is not null then swing.change_amount
        when comparison.job_id is not null then cast(0 as decimal(18, 4))
    end as change,
    coalesce(comparison.baseline, 'sync') as baseline,
    standing.forecast_to_quota_pct as call_to_quota,
    standing.weeks_to_end as weeks_left,
    standing.currency_code,
    export.exported_at,
    before.exported_at as previous_exported_at
from clari.export_job as export
left join clari.forecast_vs_quota as standing
    on
        standing.forecast_id = export.forecast_id
        and standing.time_period_id = $time_period_id
        and standing.field_id = $field_id
        and standing.is_top
left join clari.forecast_swing_summary as comparison
    on
        comparison.job_id = export.job_id
        and comparison.time_period_id = standing.time_period_id
        and comparison.field_id = standing.field_id
left join clari.forecast_swing as swing
    on
        swing.job_id = comparison.job_id
        and swing.baseline = comparison.baseline
        and swing.time_period_id = standing.time_period_id
        and swing.user_id = standing.user_id
        and swing.field_id = standing.field_id
left join clari.export_job as before on before.job_id = comparison.previous_job_id
where export.job_id = $job_id
order by case when comparison.baseline = 'week' then 0 else 1 end
limit 1;
