-- The newest answer says how an opportunity stands. A field that it no longer shows stays, and says so; changes stay.
merge into clari.opportunity as known
using stage_opportunity as shown
on known.opportunity_id = shown.opportunity_id
when matched and known.last_seen_at <= $exported_at and (
        known.crm_score is distinct from shown.crm_score
        or known.crm_score_message is distinct from shown.crm_score_message
) then update set
    crm_score = shown.crm_score,
    crm_score_message = shown.crm_score_message,
    changed_at = $exported_at,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.last_seen_at <= $exported_at then update set
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert (
    opportunity_id, crm_score, crm_score_message, first_seen_at, changed_at, last_seen_at, request_id
) values (
    shown.opportunity_id, shown.crm_score, shown.crm_score_message, $exported_at, $exported_at, $exported_at,
    $request_id
);

merge into clari.opportunity_field as known
using stage_opportunity_field as shown
on known.opportunity_id = shown.opportunity_id and known.field_id = shown.field_id
when matched and known.last_seen_at <= $exported_at and (
        known.alias is distinct from shown.alias
        or known.value is distinct from shown.value
        or known.value_type is distinct from shown.value_type
        or known.value_number is distinct from shown.value_number
        or known.original_value is distinct from shown.original_value
        or known.original_value_type is distinct from shown.original_value_type
        or known.original_value_number is distinct from shown.original_value_number
        or known.trend is distinct from shown.trend
) then update set
    alias = shown.alias,
    value = shown.value,
    value_type = shown.value_type,
    value_number = shown.value_number,
    original_value = shown.original_value,
    original_value_type = shown.original_value_type,
    original_value_number = shown.original_value_number,
    trend = shown.trend,
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
    opportunity_id, field_id, alias, value, value_type, value_number, original_value, original_value_type,
    original_value_number, trend, in_latest_export, first_seen_at, changed_at, last_seen_at, request_id
) values (
    shown.opportunity_id, shown.field_id, shown.alias, shown.value, shown.value_type, shown.value_number,
    shown.original_value, shown.original_value_type, shown.original_value_number, shown.trend, true,
    $exported_at, $exported_at, $exported_at, $request_id
);

merge into clari.opportunity_field_trend as known
using stage_opportunity_field_trend as shown
on known.trend_id = shown.trend_id
when matched and known.last_seen_at <= $exported_at then update set
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert (
    trend_id, opportunity_id, field_id, value_changed_at, old_value, old_value_number, new_value,
    new_value_number, first_seen_at, last_seen_at, request_id
) values (
    shown.trend_id, shown.opportunity_id, shown.field_id, shown.value_changed_at, shown.old_value,
    shown.old_value_number, shown.new_value, shown.new_value_number, $exported_at, $exported_at, $request_id
);
