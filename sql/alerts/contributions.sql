-- Grain: one row a swing of an export and report: what the report's call adds to it, the largest first; what cannot be
-- added up stands apart.
select
    contribution.time_period_id,
    contribution.user_id,
    contribution.field_id,
    contribution.baseline,
    coalesce(report.name, contribution.report_user_id) as user_name,
    contribution.change_amount,
    contribution.apart,
    contribution.apart_amount,
    contribution.currency_code
from clari.forecast_swing_contribution as contribution
left join clari.forecast_user as report
    on
        report.forecast_id = contribution.forecast_id
        and report.user_id = contribution.report_user_id
where
    contribution.job_id = $job_id
    and (contribution.change_amount <> 0 or (contribution.apart is not null and contribution.apart_amount is distinct from 0))
order by
    contribution.apart desc,
    abs(coalesce(contribution.apart_amount, contribution.change_amount)) desc,
    contribution.report_user_id;
