-- Fields, periods and weeks are described by the newest export that shows them, whatever order exports arrive in.
merge into clari.forecast_field as known
using (
    select
        shown.*,
        described.last_seen_at < $exported_at
        or (
            described.last_seen_at = $exported_at
            and (
                coalesce(describer.submitted_at, $submitted_at) < $submitted_at
                or (coalesce(describer.submitted_at, $submitted_at) = $submitted_at and described.job_id <= $job_id)
            )
        ) as is_newer
    from stage_field as shown
    left join clari.forecast_field as described on described.forecast_id = $forecast_id and described.field_id = shown.field_id
    left join clari.export_job as describer on describer.job_id = described.job_id
) as shown
on known.forecast_id = $forecast_id and known.field_id = shown.field_id
when matched and shown.is_newer then update set
    field_name = shown.field_name,
    field_type = shown.field_type,
    last_seen_at = $exported_at,
    job_id = $job_id
when not matched then insert (forecast_id, field_id, field_name, field_type, last_seen_at, job_id)
values ($forecast_id, shown.field_id, shown.field_name, shown.field_type, $exported_at, $job_id);

merge into clari.time_period as known
using (
    select
        shown.*,
        described.last_seen_at < $exported_at
        or (
            described.last_seen_at = $exported_at
            and (
                coalesce(describer.submitted_at, $submitted_at) < $submitted_at
                or (coalesce(describer.submitted_at, $submitted_at) = $submitted_at and described.job_id <= $job_id)
            )
        ) as is_newer
    from stage_time_period as shown
    left join clari.time_period as described on described.time_period_id = shown.time_period_id
    left join clari.export_job as describer on describer.job_id = described.job_id
) as shown
on known.time_period_id = shown.time_period_id
when matched and shown.is_newer then update set
    quarter_id = $quarter_id,
    period_type = shown.period_type,
    label = shown.label,
    year = shown.year,
    start_date = shown.start_date,
    end_date = shown.end_date,
    crm_id = shown.crm_id,
    last_seen_at = $exported_at,
    job_id = $job_id
when not matched then insert (
    time_period_id, quarter_id, period_type, label, year, start_date, end_date, crm_id, last_seen_at, job_id
) values (
    shown.time_period_id, $quarter_id, shown.period_type, shown.label, shown.year, shown.start_date, shown.end_date,
    shown.crm_id, $exported_at, $job_id
);
