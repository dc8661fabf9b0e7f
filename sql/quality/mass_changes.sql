-- Grain: one row per period, field and baseline of an export in which so many calls moved at once that it is no news
-- of each: more than 30 % of at least ten compared people swing, or ten move by the same ratio, as they do when an
-- exchange rate is set. user_ids names those for whom the row stands; null: for everybody.
with compared as (
    select *
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

-- By how much rounding may have moved a figure: half a cent, and where a field knows no cents, half of one.
rounding as (
    select
        time_period_id, field_id, baseline,
        cast(case when has_cents then 0.005 else 0.5 end as decimal(4, 3)) as half_unit
    from clari.forecast_swing_summary
    where job_id = $job_id
),

moved as (
    select
        compared.*, rounding.half_unit,
        cast(compared.current_value as double) / cast(compared.previous_value as double) as ratio
    from compared
    inner join rounding using (time_period_id, field_id, baseline)
    where
        compared.previous_value <> 0
        -- A change says by which ratio a call has moved, where rounding can be no more than a hundredth of it.
        and abs(cast(compared.current_value as decimal(20, 4)) - compared.previous_value) >= 100 * rounding.half_unit
),

-- The ratios that may have made the call of now from that of then: both are rounded, and what a call adds up, too.
ranged as (
    select
        time_period_id, field_id, baseline, user_id, is_swing, previous_value, ratio,
        ratio - greatest(half_unit * (1 + abs(ratio)) / abs(cast(previous_value as double)), 0.000005) as lowest,
        ratio + greatest(half_unit * (1 + abs(ratio)) / abs(cast(previous_value as double)), 0.000005) as highest
    from moved
),

bound as (
    select time_period_id, field_id, baseline, lowest as ratio, 1 as step
    from ranged
    union all
    select time_period_id, field_id, baseline, highest, -1
    from ranged
),

agreement as (
    select
        time_period_id, field_id, baseline, ratio,
        sum(step) over (
            partition by time_period_id, field_id, baseline
            order by ratio, step desc
            rows between unbounded preceding and current row
        ) as people
    from bound
),

-- The ratio that explains the most calls.
likeliest as (
    select *
    from agreement
    qualify row_number() over (partition by time_period_id, field_id, baseline order by people desc, ratio) = 1
),

alike as (
    select
        ranged.time_period_id, ranged.field_id, ranged.baseline,
        count(*) as people,
        count(case when ranged.is_swing then 1 end) as swung,
        -- Of large calls rounding blurs it least.
        sum(abs(cast(ranged.previous_value as double)) * ranged.ratio)
        / sum(abs(cast(ranged.previous_value as double))) as ratio,
        array_agg(ranged.user_id order by ranged.user_id) as user_ids
    from ranged
    inner join likeliest using (time_period_id, field_id, baseline)
    where likeliest.people >= 10 and likeliest.ratio between ranged.lowest and ranged.highest
    group by ranged.time_period_id, ranged.field_id, ranged.baseline
),

-- Of calls that did not move the comparison as a whole alone knows, once it is not the newest.
counted as (
    select
        summary.time_period_id, summary.field_id, summary.baseline,
        summary.judged as compared,
        count(case when compared.is_swing then 1 end) as swung
    from clari.forecast_swing_summary as summary
    left join compared using (time_period_id, field_id, baseline)
    where summary.job_id = $job_id
    group by summary.time_period_id, summary.field_id, summary.baseline, summary.judged
),

-- Those whom the ratio does not explain may be so many that it is no news of each of them either.
others as (
    select
        counted.time_period_id, counted.field_id, counted.baseline,
        counted.compared - coalesce(alike.people, 0) as compared,
        counted.swung - coalesce(alike.swung, 0) as swung
    from counted
    left join alike using (time_period_id, field_id, baseline)
)

select
    counted.time_period_id, counted.field_id,
    coalesce(field.field_name, counted.field_id) as field_name,
    counted.baseline, counted.compared, counted.swung,
    case when abs(alike.ratio) < 100000000000000 then cast(alike.ratio as decimal(18, 4)) end as ratio,
    coalesce(alike.people, 0) as moved_alike,
    others.swung as others_swung,
    case when others.compared < 10 or others.swung * 10 <= others.compared * 3 then alike.user_ids end as user_ids
from counted
inner join others using (time_period_id, field_id, baseline)
left join alike using (time_period_id, field_id, baseline)
left join clari.export_job as export on export.job_id = $job_id
left join clari.forecast_field as field
    on field.forecast_id = export.forecast_id and field.field_id = counted.field_id
where (counted.compared >= 10 and counted.swung * 10 > counted.compared * 3) or alike.people >= 10
order by counted.time_period_id, counted.field_id, counted.baseline;
