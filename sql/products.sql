-- The products beside the forecast: their ledger, `product_fetch`, and their records.

-- name: submitted
-- Clari has accepted the export, or a job was found that may be it. From now on the timeout counts, not from when its answer was first waited for.
update clari.product_fetch
set
    state = 'SUBMITTED',
    job_id = $job_id,
    is_adopted = $is_adopted,
    submitted_at = greatest(coalesce($submitted_at, submitted_at), submitted_at),
    error = null,
    error_kind = null
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');

-- name: activity_gone
-- An activity of the days that a document shows whole, and that it does not show, stays, and says so. Clari goes by whole
-- days, in whichever zone: of the first and last days others may have cut it off.
update clari.activity
set in_latest_export = false
where
    in_latest_export
    and last_seen_at < $exported_at
    and activity_at - interval 1 day >= $window_from
    and activity_at < $window_to;

-- name: submitting
-- Written before Clari is asked.
insert into clari.product_fetch (
    request_id, run_id, product, window_from, window_to, gap_from, gap_to, state, attempt, submitted_at, exported_at,
    answer_count, poll_count, retry_count, wait_seconds, slot_wait_seconds
)
values (
    $request_id, $run_id, $product, $window_from, $window_to, $gap_from, $gap_to, 'SUBMITTING', $attempt, $submitted_at,
    $submitted_at, 0, 0, 0, 0, 0
);

-- name: audit_counts
-- What the merge will do with the staged events: an event that is known does not change.
select count(*) as rows_staged, count(known.event_id) as rows_known, 0 as rows_changed
from stage_audit_event as shown
left join clari.audit_event as known on known.event_id = shown.event_id;

-- name: audit_merge
-- Events never change; of who did them the newest document says what they are called.
merge into clari.audit_event as known
using stage_audit_event as shown
on known.event_id = shown.event_id
when matched and known.last_seen_at <= $exported_at then update set
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert (
    event_id, event_at, event, event_parameters, actor_id, actor_type, impersonating_actor_id, session_id,
    session_type, ip_address, correlation_id, first_seen_at, last_seen_at, request_id
) values (
    shown.event_id, shown.event_at, shown.event, shown.event_parameters, shown.actor_id, shown.actor_type,
    shown.impersonating_actor_id, shown.session_id, shown.session_type, shown.ip_address, shown.correlation_id,
    $exported_at, $exported_at, $request_id
);

merge into clari.audit_actor as known
using stage_audit_actor as shown
on known.actor_id = shown.actor_id and known.actor_type = shown.actor_type
when matched and known.last_seen_at <= $exported_at and (
        known.name is distinct from shown.name
        or known.email is distinct from shown.email
) then update set
    name = shown.name,
    email = shown.email,
    changed_at = $exported_at,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.last_seen_at <= $exported_at then update set
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert (
    actor_id, actor_type, name, email, first_seen_at, changed_at, last_seen_at, request_id
) values (
    shown.actor_id, shown.actor_type, shown.name, shown.email, $exported_at, $exported_at, $exported_at,
    $request_id
);

-- name: forecasts_since
-- How many exports of forecasts Clari has counted since a moment.
select count(*) as exports
from clari.export_job
where job_id is not null and submitted_at >= $since;

-- name: gaps
-- Grain: one row a stretch of time of which records are missing: nothing was fetched before Clari threw them away, or
-- Clari cuts off even the one day, and no document since has shown it whole.
select distinct product, gap_from, gap_to, 'expired' as reason
from clari.product_fetch
where gap_from is not null and state = 'LOADED'
union all
select distinct cut.product, cut.window_from as gap_from, cut.window_to + interval 1 day as gap_to, 'cut_off' as reason
from clari.product_fetch as cut
where
    cut.state = 'REFUSED'
    and cut.rows_truncated
    and cut.window_from = cut.window_to
    and not exists (
        select 1
        from clari.product_fetch as whole
        where
            whole.product = cut.product
            and whole.state = 'LOADED'
            and not coalesce(whole.is_adopted, false)
            and whole.window_from <= cut.window_from
            and whole.window_to >= cut.window_to
            and whole.exported_at >= cut.exported_at
    )
order by product, gap_from;

-- name: restored
-- A landed document brings its own ledger row back, from the manifest that lies beside it.
insert into clari.product_fetch (
    request_id, job_id, run_id, product, window_from, window_to, gap_from, gap_to, state, clari_status, attempt,
    submitted_at, completed_at, landed_at, exported_at, answer_count, poll_count, retry_count, wait_seconds,
    slot_wait_seconds, result_bytes, result_sha256, landing_path, rows_truncated, is_adopted
)
select
    $request_id, $job_id, $run_id, $product, $window_from, $window_to, $gap_from, $gap_to, 'LANDED', $clari_status,
    $attempt, $submitted_at, $completed_at, $landed_at, $exported_at, $answer_count, $poll_count, $retry_count,
    $wait_seconds, $slot_wait_seconds, $result_bytes, $result_sha256, $landing_path, $rows_truncated,
    $is_adopted
where not exists (select 1 from clari.product_fetch where request_id = $request_id or job_id = $job_id);

-- name: landed
-- The document is safe on disk.
update clari.product_fetch
set
    state = 'LANDED',
    landed_at = $landed_at,
    answer_count = $answer_count,
    result_bytes = $result_bytes,
    result_sha256 = $result_sha256,
    landing_path = $landing_path,
    error = null,
    error_kind = null
where request_id = $request_id and state in ('SUBMITTING', 'SUBMITTED');

-- name: landings
-- All landed documents of a product, in the order in which their records follow each other.
select request_id
from clari.product_fetch
where product = $product and landing_path is not null
order by exported_at, submitted_at, request_id;

-- name: last_submitted
-- When the fetch of a product was submitted that the ledger counts as the last.
select max(submitted_at) as submitted_at
from clari.product_fetch
where product = $product;

-- name: later_loaded
-- How many documents of a product that are newer than a moment are merged already.
select count(*) as later
from clari.product_fetch
where product = $product and state = 'LOADED' and exported_at > $exported_at;

-- name: loaded
-- The document's records are in the tables.
update clari.product_fetch
set
    state = 'LOADED',
    loaded_at = $loaded_at,
    rows_exported = $rows_exported,
    rows_staged = $rows_staged,
    rows_inserted = $rows_inserted,
    rows_updated = $rows_updated,
    rows_unchanged = $rows_unchanged,
    error = null,
    error_kind = null
where request_id = $request_id;

-- name: newest_event
select max(event_at) as newest from clari.audit_event;

-- name: of_run
-- The fetches of one sync, those included that were reassigned to it.
select *
from clari.product_fetch
where run_id = $run_id and product = $product
order by submitted_at, window_from, attempt, request_id;

-- name: opportunity_counts
-- What the merge will do with the staged opportunities; one of which a field is another has changed.
with compared as (
    select
        shown.opportunity_id,
        known.opportunity_id as known_id,
        known.opportunity_id is not null
        and known.last_seen_at <= $exported_at
        and (
            known.crm_score is distinct from shown.crm_score
            or known.crm_score_message is distinct from shown.crm_score_message
        ) as has_changed
    from stage_opportunity as shown
    left join clari.opportunity as known on known.opportunity_id = shown.opportunity_id
),

moved as (
    select distinct shown.opportunity_id
    from stage_opportunity_field as shown
    left join clari.opportunity_field as known
        on known.opportunity_id = shown.opportunity_id and known.field_id = shown.field_id
    where
        known.field_id is null
        or known.last_seen_at <= $exported_at and (
            known.alias is distinct from shown.alias
            or known.value is distinct from shown.value
            or known.value_type is distinct from shown.value_type
            or known.value_number is distinct from shown.value_number
            or known.original_value is distinct from shown.original_value
            or known.original_value_type is distinct from shown.original_value_type
            or known.original_value_number is distinct from shown.original_value_number
            or known.trend is distinct from shown.trend
        )
)

select
    count(*) as rows_staged,
    count(compared.known_id) as rows_known,
    count(case when compared.has_changed or moved.opportunity_id is not null then compared.known_id end) as rows_changed
from compared
left join moved on moved.opportunity_id = compared.opportunity_id;

-- name: opportunity_ids
-- The opportunities that any activity was ever mapped to.
select distinct opportunity_id from clari.activity_opportunity order by opportunity_id;

-- name: reached
-- Until when a product's records have been fetched, merged or waiting to be; null where none ever were. What may be an
-- export of other days does not count.
select max(window_to) as reached
from clari.product_fetch
where product = $product and state in ('LANDED', 'LOADED') and not coalesce(is_adopted, false);

-- name: refused
-- A document came and is not good enough.
update clari.product_fetch
set state = 'REFUSED', rows_exported = $rows_exported, error = $error
where request_id = $request_id;

-- name: refused_within
-- How many documents that landed are of a stretch of time and were refused.
select count(*) as refused
from clari.product_fetch
where
    product = $product
    and state = 'REFUSED'
    and landing_path is not null
    and window_from < $gap_to
    and window_to > $gap_from;

-- name: status
-- Grain: one row a product: how its newest fetch stands, what the tables are as of, and since when something is missing.
with newest as (
    select *
    from clari.product_fetch
    qualify row_number() over (partition by product order by submitted_at desc, attempt desc) = 1
),

loaded as (
    select *
    from clari.product_fetch
    where state = 'LOADED'
    qualify row_number() over (partition by product order by exported_at desc, submitted_at desc) = 1
)

select
    newest.product, newest.state, newest.error, loaded.exported_at, loaded.loaded_at, loaded.window_from,
    loaded.window_to,
    loaded.rows_staged as rows
from newest
left join loaded on loaded.product = newest.product
order by newest.product;

-- name: unfinished
-- Fetches of a product that were begun, and of which no document has landed, the newest first.
select *
from clari.product_fetch
where product = $product and state in ('SUBMITTING', 'SUBMITTED')
order by submitted_at desc, attempt desc;

-- name: waiting
-- Documents of a product that wait to be merged, the oldest first.
select request_id
from clari.product_fetch
where product = $product and state = 'LANDED'
order by exported_at, submitted_at, request_id;

-- name: windows
-- A document without a record says nothing of more than two days: may be that nobody may see them.
-- Grain: one row a fetch of a window: whether its document was good, or it was too long (`is_final` where Clari says so of
-- what came). What Clari was never seen to be asked for, or answered with other days, is none. What may be an export of other days, because it was found where an answer was lost, is neither.
select
    window_from,
    window_to,
    coalesce(exported_at, submitted_at) as exported_at,
    state in ('LANDED', 'LOADED')
    and not coalesce(rows_truncated, false)
    and not coalesce(is_adopted, false)
    and not (coalesce(rows_exported, 1) = 0 and window_to > window_from + interval 1 day) as is_whole,
    (
        state = 'REFUSED' and coalesce(rows_truncated, false)
        or state = 'TIMED_OUT'
        or state = 'FAILED' and coalesce(error_kind, '') = 'ResultTooLarge'
    )
    and not coalesce(is_adopted, false) as is_too_long,
    state = 'REFUSED' as is_final
from clari.product_fetch
where
    product = $product
    and window_from is not null
    and state <> 'SUBMITTING'
    and not (state = 'REFUSED' and coalesce(error, '') like 'records_are_of_the_window:%');

-- name: audit_merged, table: audit_event, key: event_id
-- name: activity_merged, table: activity, key: activity_id
-- name: opportunity_merged, table: opportunity, key: opportunity_id
-- Records of the staged document that stand in the table afterwards.
select count(*) as rows_merged
from stage_{table} as shown
inner join clari.{table} as known on known.{key} = shown.{key}
where known.last_seen_at >= $exported_at;

-- name: activity_hide, part: activity_account, whole: activity, key: activity_id
-- name: activity_hide, part: activity_opportunity, whole: activity, key: activity_id
-- name: activity_hide, part: activity_participant, whole: activity, key: activity_id
-- name: opportunity_hide, part: opportunity_field, whole: opportunity, key: opportunity_id
-- What the newest document of a record no longer shows of it stays, and says so.
update clari.{part} as part
set in_latest_export = false
from (
    select known.{key}, known.last_seen_at
    from clari.{whole} as known
    inner join stage_{whole} as shown on shown.{key} = known.{key}
) as whole
where part.{key} = whole.{key} and part.in_latest_export and part.last_seen_at < whole.last_seen_at;

-- name: audit_forget, table: audit_event
-- name: audit_forget, table: audit_actor
-- name: activity_forget, table: activity
-- name: activity_forget, table: activity_account
-- name: activity_forget, table: activity_opportunity
-- name: activity_forget, table: activity_participant
-- name: opportunity_forget, table: opportunity
-- name: opportunity_forget, table: opportunity_field
-- name: opportunity_forget, table: opportunity_field_trend
-- Before a product is rebuilt from all its landed documents, in order.
delete from clari.{table};
