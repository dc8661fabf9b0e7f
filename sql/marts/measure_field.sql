-- Grain: one row a period of the quarter and field: where quota, closed and pipeline of the field stand. Unless the
-- rules name them, closed and pipeline are the field's own, and quota is the field that carries the period's quota.
create or replace temp table measure_field as
with named as (
    select field_id, lower(field_name) as field_name
    from clari.forecast_field
    where forecast_id = $forecast_id
),

ruled as (
    select
        named.field_id,
        max(quota.field_id) as quota_field_id,
        max(closed.field_id) as closed_field_id,
        max(pipeline.field_id) as pipeline_field_id
    from field_rule
    inner join named on named.field_id = field_rule.field or named.field_name = lower(field_rule.field)
    left join named as quota on quota.field_id = field_rule.quota or quota.field_name = lower(field_rule.quota)
    left join named as closed on closed.field_id = field_rule.closed or closed.field_name = lower(field_rule.closed)
    left join named as pipeline
        on pipeline.field_id = field_rule.pipeline or pipeline.field_name = lower(field_rule.pipeline)
    group by named.field_id
),

present as (
    select distinct time_period_id, field_id
    from clari.forecast_entry
    where
        forecast_id = $forecast_id
        and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
)

select
    present.time_period_id,
    present.field_id,
    coalesce(ruled.quota_field_id, quota_field.field_id) as quota_field_id,
    coalesce(ruled.closed_field_id, present.field_id) as closed_field_id,
    coalesce(ruled.pipeline_field_id, present.field_id) as pipeline_field_id
from present
left join ruled on ruled.field_id = present.field_id
left join quota_field on quota_field.time_period_id = present.time_period_id;
