-- Grain: one row a period, field and baseline of an export in which so many calls moved at once that it is no news
-- of each: more than 30 % of at least ten compared people swing, or ten move by the same ratio, as they do when an
-- exchange rate is set anew.
with compared as (
    select
        *,
        previous_value <> 0
        and current_value <> previous_value
        -- Of smaller amounts the cents would blur the ratio.
        and abs(previous_value) >= 1000 as has_ratio
    from clari.forecast_swing
    where
        job_id = $job_id
        and not coalesce(is_muted, false)
        and previous_value is not null
        and current_value is not null
        and coalesce(reason, '') not in (
            'currency_changed', 'request_changed', 'restated', 'new', 'disappeared', 'not_submitted'
        )
),

ratio as (
    select
        time_period_id,
        field_id,
        baseline,
        -- Two rows of buckets, half a bucket apart, so that no cluster is cut in two: half a cent of 1,000 blurs a ratio
        -- by five millionths either way, and a bucket is 25 millionths wide.
        case when has_ratio then round((1 + change_pct * sign(previous_value)) * 40000) end as bucket,
        case when has_ratio then round((1 + change_pct * sign(previous_value)) * 40000 + 0.5) end as shifted_bucket,
        case when has_ratio then 1 + change_pct * sign(previous_value) end as ratio
    from compared
),

largest as (
    select
        time_period_id,
        field_id,
        baseline,
        cast(ratio as decimal(18, 4)) as ratio,
        people
    from (
        select time_period_id, field_id, baseline, bucket, avg(ratio) as ratio, count(*) as people
        from ratio
        where bucket is not null
        group by time_period_id, field_id, baseline, bucket
        union all
        select time_period_id, field_id, baseline, shifted_bucket, avg(ratio), count(*)
        from ratio
        where shifted_bucket is not null
        group by time_period_id, field_id, baseline, shifted_bucket
    )
    qualify row_number() over (partition by time_period_id, field_id, baseline order by people desc, ratio) = 1
),

counted as (
    select
        time_period_id,
        field_id,
        baseline,
        count(*) as compared,
        count(*) filter (where is_swing) as swung
    from compared
    group by all
)

select
    counted.time_period_id,
    counted.field_id,
    coalesce(field.field_name, counted.field_id) as field_name,
    counted.baseline,
    counted.compared,
    counted.swung,
    case when largest.people >= 10 then largest.ratio end as ratio,
    case when largest.people >= 10 then largest.people else 0 end as moved_alike
from counted
left join largest
    on
        largest.time_period_id = counted.time_period_id
        and largest.field_id = counted.field_id
        and largest.baseline = counted.baseline
left join clari.export_job as export on export.job_id = $job_id
left join clari.forecast_field as field
    on field.forecast_id = export.forecast_id and field.field_id = counted.field_id
where (counted.compared >= 10 and counted.swung * 10 > counted.compared * 3) or largest.people >= 10
order by counted.time_period_id, counted.field_id, counted.baseline;
