-- Exports of a forecast's quarter that were asked for in the same way and have not failed, the newest first. An export that Clari refused some of the types for
-- was asked for with them.
select request_id, run_id, job_id, state, attempt, submitted_at
from clari.export_job
where
    forecast_id = $forecast_id
    and time_period_id = $quarter_id
    and state in ('SUBMITTING', 'SUBMITTED', 'LANDED', 'LOADED', 'REFUSED')
    and list_sort(string_split(concat_ws(',', types_to_export, types_refused), ','))
    = list_sort(string_split($types_to_export, ','))
    and scope_id is not distinct from $scope_id
    and currency is not distinct from $currency
    and export_format = $export_format
    and include_historical = $include_historical
    and submitted_at > $not_before
order by submitted_at desc, attempt desc;
