-- Grain: one row per forecast, period, forecast field and person, as many as are shown: the call and what it stands against,
-- and how the newest export changed it, where the two can be compared. The one at the top first, then the largest calls; there is a row where no call is.
with newest as (
    select forecast_id, time_period_id, job_id
    from (
        select
            forecast_id, time_period_id, job_id,
            row_number() over (
                partition by forecast_id, time_period_id order by exported_at desc, submitted_at desc
            ) as place
        from clari.export_job
        where state = 'LOADED' and exported_at is not null and coalesce(types_to_export like '%forecast%' and scope_id not like 'part:%', true)
    ) as loaded
    where place = 1
),

change as (
    select swing.*
    from clari.forecast_swing as swing
    inner join newest on newest.job_id = swing.job_id
),

placed as (
    select
        stand.*,
        row_number() over (
            partition by stand.forecast_id, stand.time_period_id, stand.field_id
            order by
                case when stand.is_top then 0 else 1 end,
                abs(coalesce(stand.forecast_value, 0)) desc,
                stand.user_name, stand.user_id
        ) as place
    from clari.forecast_vs_quota as stand
)

select
    placed.forecast_id, placed.time_period_id, placed.field_id, placed.user_id,
    coalesce(placed.user_name, placed.user_id) as user_name,
    placed.role_name, placed.is_top, placed.forecast_value, placed.quota_value, placed.crm_closed,
    placed.attainment_pct, placed.forecast_to_quota_pct, placed.gap_to_quota, placed.currency_code, placed.is_submitted,
    placed.in_latest_export, placed.week_number, placed.weeks_to_end, placed.as_of,
    case when since_sync.reason in ('currency_changed', 'request_changed') then null else since_sync.change_amount end as sync_change,
    case when since_sync.reason in ('currency_changed', 'request_changed') then null else since_sync.change_pct end as sync_change_pct,
    since_sync.previous_value as sync_previous,
    since_sync.reason as sync_reason,
    case when since_week.reason in ('currency_changed', 'request_changed') then null else since_week.change_amount end as week_change,
    case when since_week.reason in ('currency_changed', 'request_changed') then null else since_week.change_pct end as week_change_pct,
    since_week.previous_value as week_previous,
    since_week.reason as week_reason
from placed
left join change as since_sync
    on
        since_sync.baseline = 'sync'
        and since_sync.forecast_id = placed.forecast_id and since_sync.time_period_id = placed.time_period_id
        and since_sync.field_id = placed.field_id and since_sync.user_id = placed.user_id
left join change as since_week
    on
        since_week.baseline = 'week'
        and since_week.forecast_id = placed.forecast_id and since_week.time_period_id = placed.time_period_id
        and since_week.field_id = placed.field_id and since_week.user_id = placed.user_id
where placed.place <= $most
order by placed.forecast_id, placed.time_period_id, placed.field_id, placed.place;
