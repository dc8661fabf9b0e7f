-- How each call came from the end of the week before to the end of this one, and what of it the reports make up.
delete from clari.forecast_movement
where forecast_id = $forecast_id and time_frame_id = $time_frame_id and list_contains($periods, time_period_id);

insert into clari.forecast_movement (
    forecast_id, time_period_id, time_frame_id, user_id, field_id, week_number, week_start_date, week_end_date,
    weeks_to_end, user_name, role_name, is_top, previous_time_frame_id, is_week_over, is_backfilled, start_value,
    end_value, change_amount, raised_amount, lowered_amount, new_amount, gone_amount, judgement_amount, reports,
    reports_apart, start_currency_code, currency_code, field_name
)
with week as (
    select
        frame.time_period_id, frame.week_number, frame.start_date, frame.end_date,
        previous.time_frame_id as previous_time_frame_id,
        frame.weeks_to_end
    from forecast_week as frame
    left join forecast_week as previous
        on
            previous.time_period_id = frame.time_period_id
            and previous.time_frame_id = $previous_time_frame_id
            and previous.start_date < frame.start_date
    where frame.time_frame_id = $time_frame_id and list_contains($periods, frame.time_period_id)
),

-- The calls of both ends.
stand as materialized (
    select
        call.time_period_id, call.user_id, call.field_id, call.user_name, call.role_id, call.role_name,
        call.parent_role_id, call.is_top, call.is_backfilled, call.call_value, call.currency_code,
        call.time_frame_id = $time_frame_id as is_end
    from clari.forecast_call_week as call
    inner join week on week.time_period_id = call.time_period_id
    where call.forecast_id = $forecast_id and call.time_frame_id in ($time_frame_id, week.previous_time_frame_id)
),

at_end as (select * from stand where is_end),

at_start as (select * from stand where not is_end),

-- Whose role somebody answers to, and what of it more than one person makes a call of.
lead_role as (
    select is_end, parent_role_id as role_id
    from stand
    where parent_role_id is not null
    group by is_end, parent_role_id
),

shared_role as (
    select stand.time_period_id, stand.field_id, stand.is_end, stand.role_id
    from stand
    inner join lead_role using (is_end, role_id)
    where stand.call_value <> 0
    group by stand.time_period_id, stand.field_id, stand.is_end, stand.role_id
    having count(*) > 1
),

manager as (
    select stand.*, shared_role.role_id is not null as is_shared
    from stand
    inner join lead_role using (is_end, role_id)
    left join shared_role using (time_period_id, field_id, is_end, role_id)
),

-- Who reports to whom, at each end as they stood then.
team as (
    select
        owner.time_period_id, owner.field_id, owner.user_id,
        report.user_id as report_user_id,
        max(case when owner.is_end then 1 else 0 end) as is_at_end,
        max(case when owner.is_end then 0 else 1 end) as is_at_start,
        max(
            case when owner.is_shared or coalesce(report.currency_code <> owner.currency_code, false) then 1 else 0 end
        ) as is_apart,
        coalesce(sum(case when owner.is_end then report.call_value end), 0) as end_value,
        coalesce(sum(case when not owner.is_end then report.call_value end), 0) as start_value
    from manager as owner
    inner join stand as report
        on
            report.time_period_id = owner.time_period_id and report.is_end = owner.is_end
            and report.field_id = owner.field_id
            and report.parent_role_id = owner.role_id
    where report.user_id <> owner.user_id
    group by owner.time_period_id, owner.field_id, owner.user_id, report.user_id
),

added as (
    select
        time_period_id, field_id, user_id,
        sum(case when is_at_end + is_at_start = 2 and end_value > start_value then end_value - start_value else 0 end) as raised,
        sum(case when is_at_end + is_at_start = 2 and end_value < start_value then end_value - start_value else 0 end) as lowered,
        sum(case when is_at_start = 0 then end_value else 0 end) as joined,
        sum(case when is_at_end = 0 then -start_value else 0 end) as gone,
        count(*) as reports
    from team
    where is_apart = 0
    group by time_period_id, field_id, user_id
),

apart as (
    select time_period_id, field_id, user_id, count(*) as reports
    from team
    where is_apart = 1
    group by time_period_id, field_id, user_id
),

owner as (
    select
        coalesce(at_end.time_period_id, at_start.time_period_id) as time_period_id,
        coalesce(at_end.user_id, at_start.user_id) as user_id,
        coalesce(at_end.field_id, at_start.field_id) as field_id,
        case when at_end.user_id is null then at_start.user_name else at_end.user_name end as user_name,
        case when at_end.user_id is null then at_start.role_name else at_end.role_name end as role_name,
        coalesce(at_end.is_top, false) as is_top,
        coalesce(at_start.is_backfilled, false) or coalesce(at_end.is_backfilled, false) as is_backfilled,
        at_start.call_value as start_value,
        at_end.call_value as end_value,
        cast(coalesce(at_end.call_value, 0) as decimal(38, 4)) - coalesce(at_start.call_value, 0) as change,
        at_start.currency_code as start_currency_code,
        coalesce(at_end.currency_code, at_start.currency_code) as currency_code
    from at_end
    full join at_start using (time_period_id, user_id, field_id)
),

moved as (
    select
        owner.*,
        coalesce(added.raised, 0) as raised,
        coalesce(added.lowered, 0) as lowered,
        coalesce(added.joined, 0) as joined,
        coalesce(added.gone, 0) as gone,
        coalesce(added.reports, 0) as reports,
        coalesce(apart.reports, 0) as reports_apart
    from owner
    left join added using (time_period_id, user_id, field_id)
    left join apart using (time_period_id, user_id, field_id)
),

-- Amounts of two currencies are not told apart in one, and what no column can hold is not told at all.
told as (
    select
        moved.*,
        change - raised - lowered - joined - gone as judgement,
        coalesce(start_currency_code = currency_code, true)
        and abs(change) < 100000000000000
        and raised < 100000000000000
        and lowered > -100000000000000
        and abs(joined) < 100000000000000
        and abs(gone) < 100000000000000
        and abs(change - raised - lowered - joined - gone) < 100000000000000 as is_told
    from moved
)

select
    $forecast_id, told.time_period_id, $time_frame_id, told.user_id, told.field_id, week.week_number, week.start_date,
    week.end_date, week.weeks_to_end, told.user_name, told.role_name, told.is_top, week.previous_time_frame_id,
    $is_week_over, told.is_backfilled, told.start_value, told.end_value,
    case when told.is_told then cast(told.change as decimal(18, 4)) end,
    case when told.is_told then cast(told.raised as decimal(18, 4)) end,
    case when told.is_told then cast(told.lowered as decimal(18, 4)) end,
    case when told.is_told then cast(told.joined as decimal(18, 4)) end,
    case when told.is_told then cast(told.gone as decimal(18, 4)) end,
    case when told.is_told then cast(told.judgement as decimal(18, 4)) end,
    cast(told.reports as integer),
    cast(told.reports_apart as integer),
    told.start_currency_code, told.currency_code, field.field_name
from told
inner join week on week.time_period_id = told.time_period_id
left join clari.forecast_field as field on field.forecast_id = $forecast_id and field.field_id = told.field_id;
