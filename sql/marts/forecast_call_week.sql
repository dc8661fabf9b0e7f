-- The calls of one week as known at its end, from forecast_call, of those who were shown then. Roles are of that moment.
delete from clari.forecast_call_week
where forecast_id = $forecast_id and time_frame_id = $time_frame_id and list_contains($periods, time_period_id);

insert into clari.forecast_call_week (
    forecast_id, time_period_id, time_frame_id, user_id, field_id, week_number, week_start_date, week_end_date,
    week_closes_at, weeks_to_end, as_of, is_week_over, is_backfilled, user_name, role_id, role_name, parent_role_id, parent_role_name,
    is_top, call_value, is_submitted, call_by, call_at, adjustment_value, quota_value, crm_closed, crm_total,
    pipeline_closed, currency_code, field_name
)
-- The one whose row is the total; where several stand at the top and none is named there is none.
with head as (
    select user_id, count(*) over () as heads
    from week_person as person
    where
        is_top
        and (cast($top_user as varchar) is null or $top_user in (user_id, email, name))
        and user_id in (select shown.user_id from forecast_call as shown where shown.job_id = $part and shown.is_present)
)

select
    $forecast_id, call.time_period_id, $time_frame_id, call.user_id, call.field_id, week.week_number, week.start_date,
    week.end_date, week.closes_at, week.weeks_to_end, $as_of, $is_week_over, $is_backfilled, person.name, person.role_id,
    person.role_name, person.parent_role_id, person.parent_role_name,
    call.user_id in (select head.user_id from head where head.heads = 1),
    call.call_value, call.is_submitted, call.updated_by, call.updated_at, call.adjustment_value, call.quota_value,
    call.crm_closed, call.crm_total, call.pipeline_closed, call.currency_code, field.field_name
from forecast_call as call
inner join forecast_week as week
    on
        week.time_period_id = call.time_period_id
        and week.time_frame_id = $time_frame_id
        and list_contains($periods, week.time_period_id)
left join week_person as person on person.user_id = call.user_id
left join clari.forecast_field as field on field.forecast_id = $forecast_id and field.field_id = call.field_id
where call.job_id = $part and call.is_present and call.has_begun;

delete from forecast_call;
