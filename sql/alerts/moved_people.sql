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
order by user_name;
