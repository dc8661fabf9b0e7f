-- The exports of one sync, the newest attempt of each forecast's quarter.
select *
from clari.export_job
where
    request_id in (
        select request_id
        from clari.export_job
        where run_id = $run_id
        qualify
            row_number() over (partition by forecast_id, time_period_id order by submitted_at desc, attempt desc) = 1
    )
order by time_period_id desc, forecast_id;
