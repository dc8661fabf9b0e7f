-- The products beside the forecast: their ledger, `product_fetch`, and their records. Queries that begin with `stage_` run
-- in DuckDB in the process, as those of `documents.sql` do.

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

-- name: audit_counts
-- What the merge will do with the staged events: an event that is known does not change.
select count(*) as rows_staged, count(known.event_id) as rows_known, 0 as rows_changed
from stage_audit_event as shown
left join clari.audit_event as known on known.event_id = shown.event_id;

-- name: forecasts_since
-- How many exports of forecasts Clari has counted since a moment.
select count(*) as exports
from clari.export_job
where job_id is not null and source = 'EXPORT' and submitted_at >= $since;

-- name: gaps
-- Grain: one row per stretch of time of which records are missing: nothing was fetched before Clari threw them away, or
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

-- name: landed
-- All landed documents of a product, in the order in which their records follow each other.
select *
from clari.product_fetch
where product = $product and landing_path is not null
order by exported_at, submitted_at, request_id;

-- name: later_loaded
-- How many documents of a product that are newer than a moment are merged already.
select count(*) as later
from clari.product_fetch
where product = $product and state = 'LOADED' and exported_at > $exported_at;

-- name: newest_event
select max(event_at) as newest from clari.audit_event;

-- name: of_run
-- The fetches of one sync, those included that were reassigned to it.
select *
from clari.product_fetch
where run_id = $run_id and product = $product
order by submitted_at, window_from, attempt, request_id;

-- name: opportunity_counts, whole: crm_score, crm_score_message, field: alias, value, value_type, value_number, original_value, original_value_type, original_value_number, trend
-- What the merge will do with the staged opportunities; one of which a field is another has changed.
with compared as (
    select
        shown.opportunity_id,
        known.opportunity_id as known_id,
        known.opportunity_id is not null
        and known.last_seen_at <= $exported_at
        and ({whole: known.* is distinct from shown.* or}) as has_changed
    from stage_opportunity as shown
    left join clari.opportunity as known on known.opportunity_id = shown.opportunity_id
),

moved as (
    select distinct shown.opportunity_id
    from stage_opportunity_field as shown
    left join clari.opportunity_field as known using (opportunity_id, field_id)
    where
        known.field_id is null
        or known.last_seen_at <= $exported_at and ({field: known.* is distinct from shown.* or})
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
-- Grain: one row per product: how its newest fetch stands, what the tables are as of, and since when something is missing.
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
-- Grain: one row per fetch of a window: whether its document was good, or it was too long (`is_final` where Clari says so of
-- what came). What Clari was never seen to be asked for, or answered with other days, is none. What may be an export of other days, because it was found where an answer was lost, is neither.
select
    window_from, window_to,
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

-- name: activity_hide, part: activity_account | activity_opportunity | activity_participant, whole: activity, key: activity_id
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

-- name: audit_forget, table: audit_event | audit_actor
-- name: activity_forget, table: activity | activity_account | activity_opportunity | activity_participant
-- name: opportunity_forget, table: opportunity | opportunity_field | opportunity_field_trend
-- Before a product is rebuilt from all its landed documents, in order.
delete from clari.{table};

-- name: audit_event_merge, table: audit_event, key: event_id, columns: event_at, event, event_parameters, actor_id, actor_type, impersonating_actor_id, session_id, session_type, ip_address, correlation_id
-- name: opportunity_field_trend_merge, table: opportunity_field_trend, key: trend_id, columns: opportunity_id, field_id, value_changed_at, old_value, old_value_number, new_value, new_value_number
-- Merge records that never change.
merge into clari.{table} as known
using stage_{table} as shown
on {key: known.* = shown.* and}
when matched and known.last_seen_at <= $exported_at then update set
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert ({key}, {columns}, first_seen_at, last_seen_at, request_id)
values ({key: shown.*,}, {columns: shown.*,}, $exported_at, $exported_at, $request_id);

-- name: audit_actor_merge, table: audit_actor, key: actor_id, actor_type, columns: name, email
-- name: opportunity_merge, table: opportunity, key: opportunity_id, columns: crm_score, crm_score_message
-- Merge records of which the newest document says how they stand.
merge into clari.{table} as known
using stage_{table} as shown
on {key: known.* = shown.* and}
when matched and known.last_seen_at <= $exported_at and ({columns: known.* is distinct from shown.* or}) then update set
    {columns: * = shown.*,},
    changed_at = $exported_at,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.last_seen_at <= $exported_at then update set
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert ({key}, {columns}, first_seen_at, changed_at, last_seen_at, request_id)
values ({key: shown.*,}, {columns: shown.*,}, $exported_at, $exported_at, $exported_at, $request_id);

-- name: activity_merge, table: activity, key: activity_id, columns: activity_type, subject, activity_at, owner_crm_user_id, organiser_crm_user_id
-- name: activity_account_merge, table: activity_account, key: activity_id, account_id, columns: account_name, account_owner_crm_user_id
-- name: activity_opportunity_merge, table: activity_opportunity, key: activity_id, opportunity_id, columns: opportunity_name, opportunity_owner_crm_user_id
-- name: activity_participant_merge, table: activity_participant, key: activity_id, participant_id, columns: name, email, crm_user_id, is_internal
-- name: opportunity_field_merge, table: opportunity_field, key: opportunity_id, field_id, columns: alias, value, value_type, value_number, original_value, original_value_type, original_value_number, trend
-- The same of records that a document may show no longer: they stay, and say so.
merge into clari.{table} as known
using stage_{table} as shown
on {key: known.* = shown.* and}
when matched and known.last_seen_at <= $exported_at and ({columns: known.* is distinct from shown.* or}) then update set
    {columns: * = shown.*,},
    in_latest_export = true,
    changed_at = $exported_at,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.last_seen_at <= $exported_at then update set
    in_latest_export = true,
    last_seen_at = $exported_at,
    request_id = $request_id
when matched and known.first_seen_at > $exported_at then update set first_seen_at = $exported_at
when not matched then insert ({key}, {columns}, in_latest_export, first_seen_at, changed_at, last_seen_at, request_id)
values ({key: shown.*,}, {columns: shown.*,}, true, $exported_at, $exported_at, $exported_at, $request_id);

-- name: activity_counts, whole: activity_type, subject, activity_at, owner_crm_user_id, organiser_crm_user_id, account: account_name, account_owner_crm_user_id, opportunity: opportunity_name, opportunity_owner_crm_user_id, participant: name, email, crm_user_id, is_internal
-- What the merge will do with the staged activities; one has changed, too, that is mapped to something more, or to
-- something that is called otherwise now.
with compared as (
    select
        shown.activity_id,
        known.activity_id as known_id,
        known.activity_id is not null
        and known.last_seen_at <= $exported_at
        and ({whole: known.* is distinct from shown.* or}) as has_changed
    from stage_activity as shown
    left join clari.activity as known on known.activity_id = shown.activity_id
),

mapped as (
    select shown.activity_id
    from stage_activity_account as shown
    left join clari.activity_account as known using (activity_id, account_id)
    where
        known.activity_id is null
        or known.last_seen_at <= $exported_at and ({account: known.* is distinct from shown.* or})
    union
    select shown.activity_id
    from stage_activity_opportunity as shown
    left join clari.activity_opportunity as known using (activity_id, opportunity_id)
    where
        known.activity_id is null
        or known.last_seen_at <= $exported_at and ({opportunity: known.* is distinct from shown.* or})
    union
    select shown.activity_id
    from stage_activity_participant as shown
    left join clari.activity_participant as known using (activity_id, participant_id)
    where
        known.activity_id is null
        or known.last_seen_at <= $exported_at and ({participant: known.* is distinct from shown.* or})
)

select
    count(*) as rows_staged,
    count(compared.known_id) as rows_known,
    count(case when compared.has_changed or mapped.activity_id is not null then compared.known_id end) as rows_changed
from compared
left join mapped on mapped.activity_id = compared.activity_id;

-- name: stage_audit_begin, table: audit_event | audit_actor
-- name: stage_activity_begin, table: activity | activity_account | activity_opportunity | activity_participant
-- name: stage_opportunity_begin, table: opportunity | opportunity_field | opportunity_field_trend
-- Grain: one row per record of the document as it is read, at its position; of the same one there may be several.
create or replace temp table stage_raw_{table} as
select * from raw_{table} limit 0;

-- name: stage_audit_more, table: audit_event | audit_actor
-- name: stage_activity_more, table: activity | activity_account | activity_opportunity | activity_participant
-- name: stage_opportunity_more, table: opportunity | opportunity_field | opportunity_field_trend
-- More records of the document, as they are read.
insert into stage_raw_{table} by name
select * from raw_{table};

-- name: stage_audit_end, table: audit_event, key: event_id
-- name: stage_audit_end, table: audit_actor, key: actor_id, actor_type
-- name: stage_activity_end, table: activity, key: activity_id
-- name: stage_activity_end, table: activity_account, key: activity_id, account_id
-- name: stage_activity_end, table: activity_opportunity, key: activity_id, opportunity_id
-- name: stage_activity_end, table: activity_participant, key: activity_id, participant_id
-- name: stage_opportunity_end, table: opportunity, key: opportunity_id
-- name: stage_opportunity_end, table: opportunity_field, key: opportunity_id, field_id
-- name: stage_opportunity_end, table: opportunity_field_trend, key: trend_id
-- Grain: one row per record of the document: of several with one key the one that was read last.
create or replace temp table stage_{table} as
select * exclude (position)
from stage_raw_{table}
qualify row_number() over (partition by {key} order by position desc) = 1;

-- name: stage_audit_invented, table: stage_audit_actor, person: actor_id, is_colleague: true
-- name: stage_activity_invented, table: stage_activity_participant, person: participant_id, is_colleague: is_internal
-- Grain: one row: colleagues in the document, where every address of theirs ends in .example, as nobody's do but a
-- sandbox's; else 0.
select case when bool_and(lower(email) like '%.example') then count(distinct {person}) else 0 end as people
from {table}
where {is_colleague} and nullif(email, '') is not null;
