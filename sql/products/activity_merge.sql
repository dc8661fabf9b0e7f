-- The newest document says how an activity stands. What it no longer shows of one stays, and says so.
merge into clari.activity as known
using stage_activity as shown
on known.activity_id = shown.activity_id
when matched and known.last_seen_at <= $exported_at and (
        known.activity_type is distinct from shown.activity_type
        or known.subject is distinct from shown.subject
        or known.activity_at is distinct from shown.activity_at
        or known.owner_crm_user_id is distinct from shown.owner_crm_user_id
        or known.organiser_crm_user_id is distinct from shown.organiser_crm_user_id
) then update set
    activity_type = shown.activity_type,
    subject = shown.subject,
    activity_at = shown.activity_at,
    owner_crm_user_id = shown.owner_crm_user_id,
    organiser_crm_user_id = shown.organiser_crm_user_id,
    in_latest_export = true,
    changed_at = $exported_at,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.last_seen_at <= $exported_at then update set
    in_latest_export = true,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert (
    activity_id, activity_type, subject, activity_at, owner_crm_user_id, organiser_crm_user_id, in_latest_export,
    first_seen_at, changed_at, last_seen_at, request_id
) values (
    shown.activity_id, shown.activity_type, shown.subject, shown.activity_at, shown.owner_crm_user_id,
    shown.organiser_crm_user_id, true, $exported_at, $exported_at, $exported_at, $request_id
);

merge into clari.activity_account as known
using stage_activity_account as shown
on known.activity_id = shown.activity_id and known.account_id = shown.account_id
when matched and known.last_seen_at <= $exported_at and (
        known.account_name is distinct from shown.account_name
        or known.account_owner_crm_user_id is distinct from shown.account_owner_crm_user_id
) then update set
    account_name = shown.account_name,
    account_owner_crm_user_id = shown.account_owner_crm_user_id,
    in_latest_export = true,
    changed_at = $exported_at,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.last_seen_at <= $exported_at then update set
    in_latest_export = true,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert (
    activity_id, account_id, account_name, account_owner_crm_user_id, in_latest_export, first_seen_at,
    changed_at, last_seen_at, request_id
) values (
    shown.activity_id, shown.account_id, shown.account_name, shown.account_owner_crm_user_id, true,
    $exported_at, $exported_at, $exported_at, $request_id
);

merge into clari.activity_opportunity as known
using stage_activity_opportunity as shown
on known.activity_id = shown.activity_id and known.opportunity_id = shown.opportunity_id
when matched and known.last_seen_at <= $exported_at and (
        known.opportunity_name is distinct from shown.opportunity_name
        or known.opportunity_owner_crm_user_id is distinct from shown.opportunity_owner_crm_user_id
) then update set
    opportunity_name = shown.opportunity_name,
    opportunity_owner_crm_user_id = shown.opportunity_owner_crm_user_id,
    in_latest_export = true,
    changed_at = $exported_at,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.last_seen_at <= $exported_at then update set
    in_latest_export = true,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert (
    activity_id, opportunity_id, opportunity_name, opportunity_owner_crm_user_id, in_latest_export,
    first_seen_at, changed_at, last_seen_at, request_id
) values (
    shown.activity_id, shown.opportunity_id, shown.opportunity_name, shown.opportunity_owner_crm_user_id, true,
    $exported_at, $exported_at, $exported_at, $request_id
);

merge into clari.activity_participant as known
using stage_activity_participant as shown
on known.activity_id = shown.activity_id and known.participant_id = shown.participant_id
when matched and known.last_seen_at <= $exported_at and (
        known.name is distinct from shown.name
        or known.email is distinct from shown.email
        or known.crm_user_id is distinct from shown.crm_user_id
        or known.is_internal is distinct from shown.is_internal
) then update set
    name = shown.name,
    email = shown.email,
    crm_user_id = shown.crm_user_id,
    is_internal = shown.is_internal,
    in_latest_export = true,
    changed_at = $exported_at,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.last_seen_at <= $exported_at then update set
    in_latest_export = true,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert (
    activity_id, participant_id, name, email, crm_user_id, is_internal, in_latest_export, first_seen_at,
    changed_at, last_seen_at, request_id
) values (
    shown.activity_id, shown.participant_id, shown.name, shown.email, shown.crm_user_id, shown.is_internal,
    true, $exported_at, $exported_at, $exported_at, $request_id
);
