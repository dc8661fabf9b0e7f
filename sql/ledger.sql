-- The ledger of exports, `export_job`, and what hangs on it: verdicts, readings of the quota.

-- name: alerts_pending
-- Pending alerts: what is older than a week is not sent any more.
select count(*) as alerts from clari.alert where sent_at is null and created_at > current_timestamp - interval 7 day;

-- name: at_clari
-- Exports that Clari has been asked for, and that have neither landed nor failed, the newest first.
select *
from clari.export_job
where state in ('SUBMITTING', 'SUBMITTED')
order by submitted_at desc, attempt desc;

-- name: by_request, table: export_job
-- name: fetch_by_request, table: product_fetch
select * from clari.{table} where request_id = $request_id;

-- name: checks_forgotten
-- An export's verdicts of these checks are to be replaced: judged once.
delete from clari.export_check where request_id = $request_id and list_contains($check_names, check_name);

-- name: checks_judged
-- Verdicts on an export, one a place of the lists; the ones before them are gone already.
insert into clari.export_check (request_id, check_name, passed, severity, evidence, checked_at)
select $request_id, check_name, passed, severity, cast(evidence as json), $checked_at
from (
    select
        unnest(cast($check_names as varchar [])) as check_name,
        unnest(cast($passed as boolean [])) as passed,
        unnest(cast($severities as varchar [])) as severity,
        unnest(cast($evidence as varchar [])) as evidence
) as verdict;

-- name: checks_judged, engine: snowflake
-- Verdicts on an export, one a place of the lists; the ones before them are gone already.
insert into clari.export_check (request_id, check_name, passed, severity, evidence, checked_at)
select
    $request_id,
    verdict.value[0]::varchar,
    verdict.value[1]::boolean,
    verdict.value[2]::varchar,
    parse_json(verdict.value[3]::varchar),
    $checked_at
from table(flatten(input => parse_json($verdicts__json))) as verdict;

-- name: checks_of
select check_name, passed, severity, cast(evidence as varchar) as evidence
from clari.export_check
where request_id = $request_id
order by check_name;

-- name: counted, table: export_job
-- name: fetch_counted, table: product_fetch
-- Polls, retried calls, and seconds waited for a free slot, on top of those known.
update clari.{table}
set
    poll_count = coalesce(poll_count, 0) + $polls,
    retry_count = coalesce(retry_count, 0) + $retries,
    slot_wait_seconds = coalesce(slot_wait_seconds, 0) + $slot_seconds
where request_id = $request_id;

-- name: current_call
select has_it from clari.current_call where base_url = $base_url;

-- name: current_call_noted
-- Whether the organisation has the call without a job, by the newest answer.
delete from clari.current_call;

insert into clari.current_call (has_it, asked_at, base_url)
values ($has_it, $asked_at, $base_url);

-- name: deferred, table: export_job
-- name: fetch_deferred, table: product_fetch
-- Clari cannot be asked now: the state stays, for the next run to go on from.
update clari.{table}
set error = $error, error_kind = $error_kind
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');

-- name: ended, table: export_job
-- name: fetch_ended, table: product_fetch
-- The job has ended at Clari, well or not.
update clari.{table}
set
    clari_status = $clari_status, completed_at = $completed_at, exported_at = $exported_at, wait_seconds = $wait_seconds,
    rows_truncated = $rows_truncated
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');

-- name: exported_before, table: export_job, key: forecast_id, time_period_id
-- name: fetch_exported_before, table: product_fetch, key: product
-- Grain: one row: when an export was submitted, and what the newest of those before it of its kind is as of.
select
    asked.submitted_at,
    max(case when earlier.submitted_at < asked.submitted_at then earlier.exported_at end) as exported_before
from clari.{table} as asked
inner join clari.{table} as earlier using ({key})
where asked.request_id = $request_id
group by asked.submitted_at;

-- name: exported_last
-- Grain: one row: when an export was submitted, and what the newest of all others of its forecast's quarter is as of.
select asked.submitted_at, max(other.exported_at) as exported_last
from clari.export_job as asked
left join clari.export_job as other
    on
        other.forecast_id = asked.forecast_id and other.time_period_id = asked.time_period_id
        and other.request_id <> asked.request_id
where asked.request_id = $request_id
group by asked.submitted_at;

-- name: failed, table: export_job
-- name: fetch_failed, table: product_fetch
-- No document came.
update clari.{table}
set state = $state, clari_status = coalesce($clari_status, clari_status), error = $error, error_kind = $error_kind
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');

-- name: health_exports, merged: state = 'LOADED' and exported_at is not null and job_id not like 'document-%', columns: newest.state, merged.exported_at, merged.loaded_at
-- name: status, merged: state = 'LOADED', columns: newest.state, merged.exported_at, merged.rows_staged as rows, brought.current_at
-- Grain: one row per forecast and quarter: the newest export that was meant to be made, and the newest merged. What the
-- call without a job brought is the newest only where there is no export, and never the newest merged.
-- A document from elsewhere (`replay --document`) says nothing about whether syncs work: for health it is no success.
with newest as (
    select *
    from clari.export_job
    qualify
        row_number() over (
            partition by forecast_id, time_period_id
            order by case when source = 'EXPORT' then 0 else 1 end, submitted_at desc, attempt desc
        ) = 1
),

merged as (
    select *
    from clari.export_job
    where source = 'EXPORT' and {merged}
    qualify row_number() over (partition by forecast_id, time_period_id order by exported_at desc, submitted_at desc) = 1
),

brought as (
    select forecast_id, time_period_id, max(exported_at) as current_at
    from clari.export_job
    where source = 'CURRENT' and state = 'LOADED' and types_to_export like '%forecast%'
    group by forecast_id, time_period_id
)

select newest.forecast_id, newest.time_period_id, {columns}
from newest
left join merged using (forecast_id, time_period_id)
left join brought using (forecast_id, time_period_id)
order by newest.time_period_id desc, newest.forecast_id;

-- name: health_states
-- Grain: one row per forecast, quarter and state: how many exports stand there.
select forecast_id, time_period_id, state, count(*) as exports
from clari.export_job
group by forecast_id, time_period_id, state
order by time_period_id desc, forecast_id, state;

-- name: restored, table: export_job, columns: request_id, job_id, run_id, forecast_id, time_period_id, types_to_export, scope_id, currency, export_format, include_historical, clari_status, attempt, submitted_at, completed_at, landed_at, exported_at, poll_count, wait_seconds, result_bytes, result_sha256, landing_path, rows_truncated, types_refused, source
-- name: fetch_restored, table: product_fetch, columns: request_id, job_id, run_id, product, window_from, window_to, gap_from, gap_to, clari_status, attempt, submitted_at, completed_at, landed_at, exported_at, answer_count, poll_count, retry_count, wait_seconds, slot_wait_seconds, result_bytes, result_sha256, landing_path, rows_truncated, is_adopted
-- A landed document brings its own ledger row back, from the manifest that lies beside it.
insert into clari.{table} ({columns}, state)
select {columns: $*,}, 'LANDED'
where not exists (select 1 from clari.{table} where request_id = $request_id or job_id = $job_id);

-- name: known_jobs, table: export_job
-- name: fetch_known_jobs, table: product_fetch
select job_id from clari.{table} where job_id is not null;

-- name: landed, table: export_job, counted: latency_seconds = cast(0.001 * greatest(date_diff('millisecond', submitted_at, $landed_at), 0) as decimal(18, 3))
-- name: fetch_landed, table: product_fetch, counted: answer_count = $answer_count
-- The document is safe on disk.
update clari.{table}
set
    state = 'LANDED', landed_at = $landed_at, {counted}, result_bytes = $result_bytes,
    result_sha256 = $result_sha256, landing_path = $landing_path, error = null, error_kind = null
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');

-- name: landed_by
-- Exports of which a document has landed, the newest first: of some runs those that are merged or refused; of all runs
-- those that wait to be merged, and would be the newest of their forecast's quarter.
select landed.*
from clari.export_job as landed
left join (
    select forecast_id, time_period_id, max(exported_at) as exported_at
    from clari.export_job
    where state = 'LOADED' and source = 'EXPORT'
    group by forecast_id, time_period_id
) as loaded
    on loaded.forecast_id = landed.forecast_id and loaded.time_period_id = landed.time_period_id
where
    (landed.state in ('LOADED', 'REFUSED') and list_contains($run_ids, landed.run_id))
    or (
        landed.state = 'LANDED'
        and landed.types_to_export is not null
        and landed.export_format is not null
        and coalesce(loaded.exported_at <= landed.exported_at, true)
    )
order by landed.submitted_at desc, landed.attempt desc;

-- name: landed_of_quarter
-- Documents of a quarter that wait to be merged, in the order in which they count.
select request_id
from clari.export_job
where time_period_id = $quarter_id and state = 'LANDED'
order by exported_at, submitted_at, request_id;

-- name: landing_paths
-- Where the landed documents lie that the ledger knows.
select landing_path from clari.export_job where landing_path is not null;

-- name: landings
-- The forecasts and quarters of which a document has landed.
select distinct forecast_id, time_period_id
from clari.export_job
where landing_path is not null
order by time_period_id, forecast_id;

-- name: last_submitted, table: export_job, kind: forecast_id = $forecast_id and time_period_id = $quarter_id
-- name: fetch_last_submitted, table: product_fetch, kind: product = $product
-- When the export of a forecast's quarter, or the fetch of a product, was submitted that the ledger counts as the last.
select max(submitted_at) as submitted_at from clari.{table} where {kind};

-- name: loaded, table: export_job, columns: rows_inserted, rows_updated, rows_unchanged, rows_disappeared, reset: error
-- name: fetch_loaded, table: product_fetch, columns: loaded_at, rows_exported, rows_staged, rows_inserted, rows_updated, rows_unchanged, reset: error, error_kind
-- Merged, in the same transaction as its rows.
update clari.{table} set state = 'LOADED', {columns: * = $*,}, {reset: * = null,} where request_id = $request_id;

-- name: loaded_at
-- When the rows became visible.
update clari.export_job set loaded_at = $loaded_at where request_id = $request_id;

-- name: newest_landed
-- The newest landed document of each forecast, whatever became of it: of a job, or of a quarter and perhaps a forecast.
select forecast_id, time_period_id, job_id, exported_at, source, state, landing_path
from clari.export_job
where
    landing_path is not null
    and (job_id = $job_id or (time_period_id = $quarter_id and ($every_forecast or forecast_id = $forecast_id)))
qualify
    row_number() over (partition by forecast_id order by exported_at desc, submitted_at desc, request_id desc) = 1
order by forecast_id;

-- name: newest_merged
-- What the newest merged export is as of.
select max(exported_at) as exported_at from clari.export_job where state = 'LOADED';

-- name: newest_verdicts
-- The verdicts on exports and fetches of the newest runs that have any, the newest run first.
with
asked as (
    select
        request_id,
        run_id,
        submitted_at,
        state,
        job_id,
        exported_at,
        forecast_id as subject,
        time_period_id as quarter_id,
        false as is_fetch
    from clari.export_job
    union all
    select
        request_id,
        run_id,
        submitted_at,
        state,
        job_id,
        exported_at,
        product as subject,
        cast(null as varchar) as quarter_id,
        true as is_fetch
    from clari.product_fetch
),

newest as (
    select run_id, min(submitted_at) as run_at
    from asked
    where request_id in (select request_id from clari.export_check)
    group by run_id
    order by run_at desc, run_id
    limit $runs
)

select
    asked.request_id,
    asked.run_id,
    newest.run_at,
    asked.state,
    asked.job_id,
    asked.exported_at,
    asked.subject,
    asked.quarter_id,
    asked.is_fetch,
    verdict.check_name,
    verdict.passed,
    verdict.severity,
    cast(verdict.evidence as varchar) as evidence
from newest
inner join asked on newest.run_id = asked.run_id
inner join clari.export_check as verdict on asked.request_id = verdict.request_id
order by newest.run_at desc, asked.run_id, asked.subject, asked.quarter_id, asked.request_id, verdict.check_name;

-- name: of_quarter
-- The landed exports of a forecast's quarter, in the order in which they count.
select *
from clari.export_job
where forecast_id = $forecast_id and time_period_id = $quarter_id and list_contains($states, state)
order by exported_at, submitted_at, request_id;

-- name: of_run
-- The exports of one sync, the newest attempt of each forecast's quarter, and what was brought without a job after it.
select *
from clari.export_job
where
    request_id in (
        select request_id
        from clari.export_job
        where run_id = $run_id
        qualify
            row_number() over (
                partition by forecast_id, time_period_id, source order by submitted_at desc, attempt desc
            ) = 1
    )
order by time_period_id desc, forecast_id, source desc;

-- name: quota_read
-- What Clari allows, and leaves, as a run read it. The same reading, restored from its landed document, is the same row.
insert into clari.export_quota (
    run_id, read_at, monthly_quota, available_monthly_quota, concurrent_limit, available_concurrent_limit, running_jobs,
    submitted_jobs
)
select
    $run_id, $read_at, $monthly_quota, $available_monthly_quota, $concurrent_limit, $available_concurrent_limit,
    $running_jobs, $submitted_jobs
where not exists (select 1 from clari.export_quota where run_id = $run_id and read_at = $read_at);

-- name: read_document, columns: types_to_export, export_format, scope_id, rows_exported, rows_staged, document_period_id, call_time_frame_id, quota_fields, contract
-- What was counted in the document, before any of it is merged.
update clari.export_job set {columns: * = $*,} where request_id = $request_id;

-- name: landed_documents
-- Grain: one row per document and quarter of a forecast that was merged or refused; error is null if ever merged.
select result_sha256, time_period_id, case when max(state) = 'REFUSED' and min(state) = 'REFUSED' then max(error) end as error
from clari.export_job
where forecast_id = $forecast_id and result_sha256 is not null and state in ('LOADED', 'RETIRED', 'REFUSED')
group by result_sha256, time_period_id;

-- name: refused, columns: loaded_at, rows_inserted, rows_updated, rows_unchanged, rows_disappeared
-- A document came and is not good enough.
update clari.export_job set state = 'REFUSED', error = $error, {columns: * = null,} where request_id = $request_id;

-- name: fetch_refused
-- A document came and is not good enough.
update clari.product_fetch set state = 'REFUSED', rows_exported = $rows_exported, error = $error
where request_id = $request_id;

-- name: refused_requests
-- All that the gate has refused, of forecasts and of other products.
select request_id from clari.export_job where state = 'REFUSED'
union all
select request_id from clari.product_fetch where state = 'REFUSED';

-- name: submitted, table: export_job, columns: job_id
-- name: fetch_submitted, table: product_fetch, columns: job_id, is_adopted
-- Clari has accepted the export, or a job was found that may be it. From now on the timeout counts, not from when its
-- answer was first waited for. A clock that was set back meanwhile does not make it older than it was when it was first
-- asked for.
update clari.{table}
set
    state = 'SUBMITTED', {columns: * = $*,}, error = null, error_kind = null,
    submitted_at = greatest(coalesce($submitted_at, submitted_at), submitted_at)
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');

-- name: submitting
-- Written before Clari is asked.
insert into clari.export_job (
    request_id, run_id, forecast_id, time_period_id, types_to_export, scope_id, currency, export_format,
    include_historical, source, state, attempt, submitted_at, poll_count, wait_seconds, started_by
)
values (
    $request_id, $run_id, $forecast_id, $quarter_id, $types_to_export, $scope_id, $currency, $export_format,
    $include_historical, $source, 'SUBMITTING', $attempt, $submitted_at, 0, 0, $started_by
);

-- name: fetch_submitting
-- Written before Clari is asked.
insert into clari.product_fetch (
    request_id, run_id, product, window_from, window_to, gap_from, gap_to, state, attempt, submitted_at, exported_at,
    answer_count, poll_count, retry_count, wait_seconds, slot_wait_seconds, started_by
)
values (
    $request_id, $run_id, $product, $window_from, $window_to, $gap_from, $gap_to, 'SUBMITTING', $attempt, $submitted_at,
    $submitted_at, 0, 0, 0, 0, 0, $started_by
);

-- name: reassigned, table: export_job
-- name: fetch_reassigned, table: product_fetch
-- What a run left behind belongs to the run that goes on with it.
update clari.{table} set run_id = $run_id where request_id = $request_id;

-- name: types_asked
-- What is asked for now, and beside it what Clari does not give of the request.
update clari.export_job
set types_to_export = $types_to_export, types_refused = $types_refused
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');

-- name: rows_of_quarter
-- Grain: one row per table whose rows name their quarter.
select 'forecast_entry' as table_name, count(*) as row_count
from clari.forecast_entry_state
where quarter_id = $quarter_id
union all
select 'time_period' as table_name, count(*) as row_count
from clari.time_period
where quarter_id = $quarter_id
union all
select 'time_frame' as table_name, count(*) as row_count
from clari.time_frame
where quarter_id = $quarter_id;
