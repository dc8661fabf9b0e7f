insert into swing_rule (
    rank, field, role, person, threshold, min_amount, min_share_of_quota, is_alerted, muted_in_weeks
)
values (
    $rank, $field, $role, $person, $threshold, $min_amount, $min_share_of_quota, $is_alerted,
    cast($muted_in_weeks as integer [])
);
