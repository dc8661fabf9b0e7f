-- What the merge will do with the staged opportunities; one of which a field is another has changed.
with compared as (
    select
        shown.opportunity_id,
        known.opportunity_id as known_id,
        known.opportunity_id is not null
        and known.last_seen_at <= $exported_at
        and (
            known.crm_score is distinct from shown.crm_score
            or known.crm_score_message is distinct from shown.crm_score_message
        ) as has_changed
    from stage_opportunity as shown
    left join clari.opportunity as known on known.opportunity_id = shown.opportunity_id
),

moved as (
    select distinct shown.opportunity_id
    from stage_opportunity_field as shown
    left join clari.opportunity_field as known
        on known.opportunity_id = shown.opportunity_id and known.field_id = shown.field_id
    where
        known.field_id is null
        or known.last_seen_at <= $exported_at and (
            known.alias is distinct from shown.alias
            or known.value is distinct from shown.value
            or known.value_type is distinct from shown.value_type
            or known.value_number is distinct from shown.value_number
            or known.original_value is distinct from shown.original_value
            or known.original_value_type is distinct from shown.original_value_type
            or known.original_value_number is distinct from shown.original_value_number
            or known.trend is distinct from shown.trend
        )
)

select
    count(*) as rows_staged,
    count(compared.known_id) as rows_known,
    count(case when compared.has_changed or moved.opportunity_id is not null then compared.known_id end) as rows_changed
from compared
left join moved on moved.opportunity_id = compared.opportunity_id;
