-- Grain: one row per period of the quarter and field: where quota, closed and pipeline of the field stand, as known at a
-- moment. Unless the rules name them, closed and pipeline are the field's own, and quota is the field that carries the
-- period's quota. What the rules name is the only one, if exports still showed it then.
create or replace temp table measure_field as
with named as (
    select field_id, lower(field_name) as field_name
    from clari.forecast_field
    where forecast_id = $forecast_id
),

known as (
    select
        entry.time_period_id, entry.field_id, named.field_name,
        count(case when entry.is_present then entry.quota_value end) as quotas,
        count(case when entry.is_present then entry.crm_closed end) as closed,
        count(case when entry.is_present then entry.crm_total end) as totals
    from clari.forecast_entry_history as entry
    left join named on named.field_id = entry.field_id
    where
        entry.forecast_id = $forecast_id
        and entry.time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
        and entry.valid_from <= $as_of
        and (entry.valid_to > $as_of or entry.valid_to is null)
    group by entry.time_period_id, entry.field_id, named.field_name
),

ruled as (
    select
        known.time_period_id, known.field_id,
        max(field_rule.quota) as quota,
        max(field_rule.closed) as closed,
        max(field_rule.pipeline) as pipeline
    from known
    inner join field_rule on field_rule.field = known.field_id or lower(field_rule.field) = known.field_name
    group by known.time_period_id, known.field_id
),

-- Where what the rules name stands.
placed as (
    select
        ruled.time_period_id, ruled.field_id, ruled.quota, ruled.closed, ruled.pipeline,
        max(
            case
                when known.quotas > 0 and (known.field_id = ruled.quota or known.field_name = lower(ruled.quota))
                    then known.field_id
            end
        ) as quota_field_id,
        max(
            case
                when known.closed > 0 and (known.field_id = ruled.closed or known.field_name = lower(ruled.closed))
                    then known.field_id
            end
        ) as closed_field_id,
        max(
            case
                when known.totals > 0 and (known.field_id = ruled.pipeline or known.field_name = lower(ruled.pipeline))
                    then known.field_id
            end
        ) as pipeline_field_id
    from ruled
    inner join known on known.time_period_id = ruled.time_period_id
    group by ruled.time_period_id, ruled.field_id, ruled.quota, ruled.closed, ruled.pipeline
)

select
    known.time_period_id, known.field_id,
    case when placed.quota is null then quota_field.field_id else placed.quota_field_id end as quota_field_id,
    case when placed.closed is null then known.field_id else placed.closed_field_id end as closed_field_id,
    case when placed.pipeline is null then known.field_id else placed.pipeline_field_id end as pipeline_field_id
from known
left join placed on placed.time_period_id = known.time_period_id and placed.field_id = known.field_id
left join quota_field on quota_field.time_period_id = known.time_period_id;
