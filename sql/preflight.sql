-- What preflight asks of the warehouse.

-- name: invented_people
-- Grain: one row per forecast, or other product, that holds people of the sandbox: their addresses end in .example, which
-- nobody's do.
select forecast_id, count(*) as people
from clari.forecast_user
where lower(email) like '%.example'
group by forecast_id
union all
select 'audit', count(*)
from clari.audit_actor
where lower(email) like '%.example'
having count(*) > 0
union all
select 'activity', count(distinct participant_id)
from clari.activity_participant
where is_internal and lower(email) like '%.example'
having count(*) > 0
order by forecast_id;

-- name: newest_asked
-- When a sync last asked Clari for an export or a product, and when one did that no person started; null where none ever
-- did. What was asked before it was kept who started it counts as the schedule's. A document from elsewhere was not
-- asked for.
select
    max(submitted_at) as asked_at,
    max(case when coalesce(started_by, 'schedule') = 'schedule' then submitted_at end) as scheduled_at
from (
    select submitted_at, started_by
    from clari.export_job
    where source = 'EXPORT' and (job_id is null or job_id not like 'document-%')
    union all
    select submitted_at, started_by from clari.product_fetch
) as asked;

-- name: newest_landed
-- Grain: one row per forecast and quarter: the newest document that has landed, merged or not.
select forecast_id, time_period_id, landing_path, result_bytes
from clari.export_job
where landing_path is not null
qualify row_number() over (partition by forecast_id, time_period_id order by landed_at desc, request_id) = 1
order by time_period_id desc, forecast_id;

-- name: newest_landed_products
-- Grain: one row per product beside the forecast: the newest document that has landed, below the products' own folder.
select product as forecast_id, '' as time_period_id, landing_path
from clari.product_fetch
where landing_path is not null
qualify row_number() over (partition by product order by landed_at desc, request_id) = 1
order by forecast_id;

-- name: types_refused
-- Grain: one row per forecast whose newest landed export Clari gave without some of the types asked for.
with newest as (
    select forecast_id, types_refused
    from clari.export_job
    where landing_path is not null and source = 'EXPORT'
    qualify row_number() over (partition by forecast_id order by submitted_at desc, request_id) = 1
)

select forecast_id, types_refused
from newest
where types_refused is not null
order by forecast_id;

-- name: write_probe
-- Written to see whether it can be, and rolled back.
insert into clari.export_quota (run_id, read_at) values ('preflight', current_timestamp);
