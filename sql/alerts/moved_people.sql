-- Who is new in an export, and who is gone, since the export before.
select distinct coalesce(person.name, swing.user_id) as user_name, swing.reason
from clari.forecast_swing as swing
left join clari.forecast_user as person
    on person.forecast_id = swing.forecast_id and person.user_id = swing.user_id
where
    swing.job_id = $job_id
    and swing.baseline = 'sync'
    and swing.reason in ('new', 'disappeared')
    and not exists (
        select 1
        from clari.forecast_swing as other
        where
            other.job_id = swing.job_id
            and other.baseline = swing.baseline
            and other.user_id = swing.user_id
            and coalesce(other.reason, '') <> swing.reason
    )
    -- Once a newer comparison is there, a call that did not move has no row: what was known then says that it was there.
    and not exists (
        select 1
        from clari.forecast_entry_version as known
        inner join clari.forecast_swing_summary as comparison
            on
                comparison.time_period_id = known.time_period_id
                and comparison.field_id = known.field_id
        inner join clari.export_job as export
            on export.job_id = comparison.job_id or export.job_id = comparison.previous_job_id
        where
            export.job_id = case when swing.reason = 'new' then swing.previous_job_id else swing.job_id end
            and comparison.job_id = swing.job_id
            and comparison.baseline = swing.baseline
            and known.forecast_id = swing.forecast_id
            and known.user_id = swing.user_id
            and known.is_present
            and known.valid_from <= export.exported_at
            and known.valid_until > export.exported_at
    )
order by user_name;
