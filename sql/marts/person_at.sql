-- The people whom an export showed, as it showed them.
insert into person_at
select
    $job_id,
    sighting.user_id,
    sighting.crm_user_id,
    sighting.name,
    sighting.email,
    sighting.role_id,
    sighting.role_name,
    sighting.parent_role_id
from clari.forecast_user_sighting as sighting
left join clari.export_job as shown_by on shown_by.job_id = sighting.job_id
where
    sighting.forecast_id = $forecast_id
    and sighting.quarter_id = $quarter_id
    and sighting.first_seen_at <= $as_of
    and sighting.last_seen_at >= $as_of
qualify
    row_number() over (
        partition by sighting.user_id
        order by
            sighting.last_seen_at desc, sighting.first_seen_at desc, shown_by.submitted_at desc, shown_by.request_id desc
    ) = 1;
