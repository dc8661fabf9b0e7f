-- What the merge will do with the staged activities; one has changed, too, that is mapped to something more, or to
-- something that is called otherwise now.
with compared as (
    select
        shown.activity_id,
        known.activity_id as known_id,
        known.activity_id is not null
        and known.last_seen_at <= $exported_at
        and (
            known.activity_type is distinct from shown.activity_type
            or known.subject is distinct from shown.subject
            or known.activity_at is distinct from shown.activity_at
            or known.owner_crm_user_id is distinct from shown.owner_crm_user_id
            or known.organiser_crm_user_id is distinct from shown.organiser_crm_user_id
        ) as has_changed
    from stage_activity as shown
    left join clari.activity as known on known.activity_id = shown.activity_id
),

mapped as (
    select shown.activity_id
    from stage_activity_account as shown
    left join clari.activity_account as known
        on known.activity_id = shown.activity_id and known.account_id = shown.account_id
    where
        known.activity_id is null
        or known.last_seen_at <= $exported_at and (
            known.account_name is distinct from shown.account_name
            or known.account_owner_crm_user_id is distinct from shown.account_owner_crm_user_id
        )
    union
    select shown.activity_id
    from stage_activity_opportunity as shown
    left join clari.activity_opportunity as known
        on known.activity_id = shown.activity_id and known.opportunity_id = shown.opportunity_id
    where
        known.activity_id is null
        or known.last_seen_at <= $exported_at and (
            known.opportunity_name is distinct from shown.opportunity_name
            or known.opportunity_owner_crm_user_id is distinct from shown.opportunity_owner_crm_user_id
        )
    union
    select shown.activity_id
    from stage_activity_participant as shown
    left join clari.activity_participant as known
        on known.activity_id = shown.activity_id and known.participant_id = shown.participant_id
    where
        known.activity_id is null
        or known.last_seen_at <= $exported_at and (
            known.name is distinct from shown.name
            or known.email is distinct from shown.email
            or known.crm_user_id is distinct from shown.crm_user_id
            or known.is_internal is distinct from shown.is_internal
        )
)

select
    count(*) as rows_staged,
    count(compared.known_id) as rows_known,
    count(case when compared.has_changed or mapped.activity_id is not null then compared.known_id end) as rows_changed
from compared
left join mapped on mapped.activity_id = compared.activity_id;
