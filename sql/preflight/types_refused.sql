-- Grain: one row a forecast whose newest landed export Clari gave without some of the types asked for.
with newest as (
    select forecast_id, types_refused
    from clari.export_job
    where landing_path is not null
    qualify row_number() over (partition by forecast_id order by submitted_at desc, request_id) = 1
)

select forecast_id, types_refused
from newest
where types_refused is not null
order by forecast_id;
