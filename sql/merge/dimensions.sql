-- Fields, periods and weeks: the export that is newer by exported_at describes them.
merge into clari.forecast_field as known
using stage_field as shown
on known.forecast_id = $forecast_id and known.field_id = shown.field_id
when matched and $exported_at >= known.last_seen_at then update set
    field_name = shown.field_name,
    field_type = shown.field_type,
    last_seen_at = $exported_at
when not matched then insert (forecast_id, field_id, field_name, field_type, last_seen_at)
values ($forecast_id, shown.field_id, shown.field_name, shown.field_type, $exported_at);

merge into clari.time_period as known
using stage_time_period as shown
on known.time_period_id = shown.time_period_id
when matched and $exported_at >= known.last_seen_at then update set
    quarter_id = $quarter_id,
    period_type = shown.period_type,
    label = shown.label,
    year = shown.year,
    start_date = shown.start_date,
    end_date = shown.end_date,
    crm_id = shown.crm_id,
    last_seen_at = $exported_at
when not matched then insert (
    time_period_id, quarter_id, period_type, label, year, start_date, end_date, crm_id, last_seen_at
) values (
    shown.time_period_id,
    $quarter_id,
    shown.period_type,
    shown.label,
    shown.year,
    shown.start_date,
    shown.end_date,
    shown.crm_id,
    $exported_at
);

merge into clari.time_frame as known
using stage_time_frame as shown
on known.time_period_id = shown.time_period_id and known.time_frame_id = shown.time_frame_id
when matched and $exported_at >= known.last_seen_at then update set
    start_date = shown.start_date,
    end_date = shown.end_date,
    last_seen_at = $exported_at
when not matched then insert (time_period_id, time_frame_id, start_date, end_date, last_seen_at)
values (shown.time_period_id, shown.time_frame_id, shown.start_date, shown.end_date, $exported_at);

update clari.time_frame as week
set week_number = numbered.week_number
from (
    select
        time_period_id,
        time_frame_id,
        row_number() over (partition by time_period_id order by start_date nulls last, time_frame_id) as week_number
    from clari.time_frame
    where time_period_id in (select stage_time_period.time_period_id from stage_time_period)
) as numbered
where
    week.time_period_id = numbered.time_period_id
    and week.time_frame_id = numbered.time_frame_id
    and week.week_number is distinct from numbered.week_number;
