-- Grain: one row per loaded export, in the order in which they count, with what tells whether it brought anything new.
select
    request_id, forecast_id,
    time_period_id as quarter_id,
    exported_at, result_sha256, types_to_export, scope_id, currency, include_historical
from clari.export_job
where state = 'LOADED'
order by exported_at, submitted_at, request_id;
