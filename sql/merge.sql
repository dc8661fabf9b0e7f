-- What a merge does to the tables of entries, and how it is counted.

-- name: contract
-- The keys of the document's contract, in place of those that an earlier release wrote of the same.
delete from clari.document_contract where forecast_id = $forecast_id and contract = $contract;

insert into clari.document_contract (forecast_id, contract, shape, path, kind, is_always, is_known)
select $forecast_id, $contract, shape, path, kind, is_always, is_known from stage_contract;

-- name: control_totals, measure: forecast_value, quota_value, adjustment_value, crm_total, crm_closed
-- Grain: one row per field: sum and count of each measure over the merged rows that the export left its mark on, in the
-- weeks that it shows, each row once.
select field_id, {measure: coalesce(sum(*), 0) as *_total, count(*) as *_count,}
from clari.forecast_entry
where
    forecast_id = $forecast_id
    and job_id = $job_id
    and exported_at = $exported_at
    and in_latest_export
    and exists (
        select 1
        from stage_shown_week as shown_week
        where
            shown_week.time_period_id = forecast_entry.time_period_id
            and shown_week.time_frame_id = forecast_entry.time_frame_id
    )
group by field_id;

-- name: control_totals_of_copies
-- Grain: one row per field: what exact duplicates in the document add to sum and count of each measure: each merged row as
-- often as the document writes it beyond the first.
select
    entry.field_id,
    coalesce(sum(cast(entry.forecast_value as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))), 0) as forecast_value_total,
    coalesce(sum(case when entry.forecast_value is not null then staged.copies - 1 end), 0) as forecast_value_count,
    coalesce(sum(cast(entry.quota_value as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))), 0) as quota_value_total,
    coalesce(sum(case when entry.quota_value is not null then staged.copies - 1 end), 0) as quota_value_count,
    coalesce(sum(cast(entry.adjustment_value as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))), 0) as adjustment_value_total,
    coalesce(sum(case when entry.adjustment_value is not null then staged.copies - 1 end), 0) as adjustment_value_count,
    coalesce(sum(cast(entry.crm_total as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))), 0) as crm_total_total,
    coalesce(sum(case when entry.crm_total is not null then staged.copies - 1 end), 0) as crm_total_count,
    coalesce(sum(cast(entry.crm_closed as decimal(32, 4)) * cast(staged.copies - 1 as decimal(6, 0))), 0) as crm_closed_total,
    coalesce(sum(case when entry.crm_closed is not null then staged.copies - 1 end), 0) as crm_closed_count
from clari.forecast_entry as entry
inner join stage_entry as staged
    on
        staged.copies > 1
        and staged.time_period_id = entry.time_period_id and staged.time_frame_id = entry.time_frame_id
        and staged.user_id = entry.user_id and staged.field_id = entry.field_id
where entry.forecast_id = $forecast_id and entry.quarter_id = $quarter_id
group by entry.field_id;

-- name: counts
-- What the merge did, and how many rows of the table the export left its mark on.
select
    (select rows_staged - rows_known from entry_counted) as rows_inserted,
    (select count(*) from entry_change where change = 'UPDATE') as rows_updated,
    (select count(*) from entry_change where change = 'SAME') as rows_unchanged,
    (select count(*) from entry_gone) as rows_disappeared,
    (
        select count(*)
        from clari.forecast_entry
        where forecast_id = $forecast_id and job_id = $job_id and exported_at = $exported_at and in_latest_export
    ) as rows_merged;

-- name: forget_periods, table: forecast_swing | forecast_swing_summary | forecast_swing_contribution
-- Before a forecast's quarter is rebuilt from its landed documents, in the same transaction.
delete from clari.{table}
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

-- name: forget_quarter, table: forecast_entry_state | forecast_entry_sighting | forecast_entry_history | forecast_time_frame | forecast_user_sighting | newest_document | mart_part_version
delete from clari.{table} where forecast_id = $forecast_id and quarter_id = $quarter_id;

-- name: left_out, measure: forecast_value, quota_value, adjustment_value, crm_total, crm_closed
-- One measure of a field that the document could not be asked for: what is known of it stays, as of a type that was not
-- asked for, where the entry is still of that currency.
update stage_entry as entry
set {measure: * = case when $measure = '*' then known.* else entry.* end,}
from clari.forecast_entry_state as known
where
    entry.field_id = $field_id
    and known.forecast_id = $forecast_id
    and known.quarter_id = $quarter_id
    and known.time_period_id = entry.time_period_id and known.time_frame_id = entry.time_frame_id
    and known.user_id = entry.user_id and known.field_id = entry.field_id
    and (entry.currency_code is null or entry.currency_code is not distinct from known.currency_code);

-- name: lists_of_newest
select lists
from clari.newest_document
where forecast_id = $forecast_id and quarter_id = $quarter_id and job_id = $job_id and read_by = $read_by;

-- name: newest_document
-- What the newest loaded document of the quarter lists.
delete from clari.newest_document where forecast_id = $forecast_id and quarter_id = $quarter_id;

insert into clari.newest_document (forecast_id, quarter_id, job_id, read_by, lists)
values ($forecast_id, $quarter_id, $job_id, $read_by, $lists);

-- name: same_document
-- The newest document was exported a second time: every entry that it shows was seen by the newer export, and none has changed.
-- Rows that an earlier release has merged name the export themselves, all of them.
insert into clari.forecast_entry_sighting (forecast_id, time_period_id, known_job_id, job_id, exported_at, quarter_id)
select $forecast_id, known.time_period_id, $known_job_id, $job_id, $exported_at, $quarter_id
from (
    select distinct time_period_id
    from clari.forecast_entry_state
    where
        forecast_id = $forecast_id
        and quarter_id = $quarter_id
        and job_id = $known_job_id
        and in_latest_export
) as known
where
    not exists (
        select 1
        from clari.forecast_entry_sighting as sighting
        where
            sighting.forecast_id = $forecast_id
            and sighting.quarter_id = $quarter_id
            and $known_job_id in (sighting.job_id, sighting.known_job_id)
    );

update clari.forecast_entry_sighting
set job_id = $job_id, exported_at = $exported_at
where
    forecast_id = $forecast_id
    and quarter_id = $quarter_id
    and job_id = $known_job_id;

update clari.newest_document
set job_id = $job_id
where forecast_id = $forecast_id and quarter_id = $quarter_id;

-- name: weeks, table: forecast_time_frame, is_ours: forecast_id = $forecast_id and quarter_id = $quarter_id, period: quarter_id, forecast_id, time_period_id, its_period: $quarter_id, $forecast_id, shown.time_period_id
-- name: weeks, table: time_frame, is_ours: quarter_id = $quarter_id, period: quarter_id, time_period_id, its_period: $quarter_id, shown.time_period_id
-- A week is the forecast's own; time_frame has one for all forecasts, as the newest export of any of them lists it.
-- Days that an export does not give are known from the one that gave them.
merge into clari.{table} as known
using (
    select
        shown.*,
        case
            when shown.start_date is null and described.start_date is not null then false
            when shown.start_date is not null and described.start_date is null then true
            when described.last_seen_at = $exported_at and coalesce(describer.submitted_at, $submitted_at) = $submitted_at
                then described.job_id <= $job_id
            when described.last_seen_at = $exported_at then describer.submitted_at < $submitted_at
            else described.last_seen_at < $exported_at
        end as is_newer
    from stage_time_frame as shown
    left join clari.{table} as described
        on {is_ours} and described.time_period_id = shown.time_period_id and described.time_frame_id = shown.time_frame_id
    left join clari.export_job as describer on describer.job_id = described.job_id
) as shown
on {is_ours} and known.time_period_id = shown.time_period_id and known.time_frame_id = shown.time_frame_id
when matched and shown.is_newer then update set
    start_date = shown.start_date,
    end_date = shown.end_date,
    last_seen_at = $exported_at,
    job_id = $job_id
when not matched then insert ({period}, time_frame_id, start_date, end_date, last_seen_at, job_id)
values ({its_period}, shown.time_frame_id, shown.start_date, shown.end_date, $exported_at, $job_id);

-- name: week_numbers
-- Weeks of a period are numbered by their days, or by id where they carry none.
update clari.time_frame as week
set week_number = numbered.week_number
from (
    select
        time_period_id, time_frame_id,
        row_number() over (
            partition by time_period_id
            order by
                start_date nulls last,
                case
                    when translate(time_frame_id, '0123456789', '') = '' then lpad(time_frame_id, 40, '0') else time_frame_id
                end,
                time_frame_id
        ) as week_number
    from clari.time_frame
    where quarter_id = $quarter_id
) as numbered
where
    week.quarter_id = $quarter_id
    and week.time_period_id = numbered.time_period_id and week.time_frame_id = numbered.time_frame_id
    and week.week_number is distinct from numbered.week_number;

-- name: dimensions, table: forecast_field, list: stage_field, is_ours: forecast_id = $forecast_id, key: field_id, owner: forecast_id, its_owner: $forecast_id, columns: field_name, field_type
-- name: dimensions, table: time_period, list: stage_time_period, is_ours: true, key: time_period_id, owner: quarter_id, its_owner: case when shown.is_around then shown.time_period_id else $quarter_id end, columns: period_type, label, year, start_date, end_date, crm_id
-- Fields and periods are described by the newest export that shows them, whatever order exports arrive in. On a server
-- two forecasts' quarters may write the row of their year at once: last_seen_at is that of the row as it is by then.
merge into clari.{table} as known
using (
    select
        shown.*,
        described.last_seen_at < $exported_at
        or (
            described.last_seen_at = $exported_at
            and (
                coalesce(describer.submitted_at, $submitted_at) < $submitted_at
                or (coalesce(describer.submitted_at, $submitted_at) = $submitted_at and described.job_id <= $job_id)
            )
        ) as is_newer
    from {list} as shown
    left join clari.{table} as described on {is_ours} and described.{key} = shown.{key}
    left join clari.export_job as describer on describer.job_id = described.job_id
) as shown
on {is_ours} and known.{key} = shown.{key}
when matched and shown.is_newer and known.last_seen_at <= $exported_at then update set
    {owner} = {its_owner}, {columns: * = shown.*,}, last_seen_at = $exported_at, job_id = $job_id
when not matched then insert ({owner}, {key}, {columns}, last_seen_at, job_id)
values ({its_owner}, shown.{key}, {columns: shown.*,}, $exported_at, $job_id);

-- name: quarter_days
-- A quarter has the days that a document gives, however old, where those of months stand in for a document without any.
update clari.time_period as known
set start_date = shown.start_date, end_date = shown.end_date
from stage_time_period as shown
where
    known.time_period_id = $quarter_id
    and shown.time_period_id = known.time_period_id
    and known.start_date = $months_start and known.end_date = $months_end
    and shown.start_date is not null and shown.end_date is not null
    and (shown.start_date <> known.start_date or shown.end_date <> known.end_date);

-- name: forecast_entry_history, measure: forecast_value, quota_value, adjustment_value, crm_total, crm_closed, submission: is_updated, updated_by, updated_at, override: adjusted_by, adjusted_at, key: time_period_id, time_frame_id, user_id, field_id
-- A version a change: the open one is closed, the new one opened. After forecast_entry, from what it has become.
create or replace temp table entry_versioned as
select {key: entry.*,}, true as is_present
from stage_entry as entry
inner join entry_change as change on change.entry_no = entry.entry_no and change.change = 'UPDATE'
union all
select {key}, false
from entry_gone;

update clari.forecast_entry_history as version
set valid_to = $exported_at
from entry_versioned as changed
where
    version.valid_to is null and version.forecast_id = $forecast_id and version.quarter_id = $quarter_id
    and {key: version.* = changed.* and};

-- Two exports as of the same moment: the one submitted later stands, the other leaves no version of no length.
delete from clari.forecast_entry_history
where forecast_id = $forecast_id and quarter_id = $quarter_id and valid_from = $exported_at and valid_to = $exported_at;

insert into clari.forecast_entry_history (
    forecast_id, {key}, {measure}, currency_code, {submission}, {override}, is_present, valid_from, valid_to, job_id,
    quarter_id
)
select
    entry.forecast_id, {key: entry.*,}, {measure: entry.*,}, entry.currency_code, {submission: entry.*,},
    {override: entry.*,}, changed.is_present, $exported_at, cast(null as timestamptz), $job_id,
    $quarter_id
from clari.forecast_entry_state as entry
inner join entry_versioned as changed using ({key})
where entry.forecast_id = $forecast_id and entry.quarter_id = $quarter_id
union all
select
    $forecast_id, {key},
    {measure: case when $has_* then * end,},
    currency_code,
    {submission: case when $has_forecast_updated then * end,},
    {override: case when $has_adjustment_value then * end,},
    true, $exported_at, null, $job_id, $quarter_id
from stage_entry
where
    exists (select 1 from entry_counted where rows_staged > rows_known)
    and not exists (select 1 from entry_change as change where change.entry_no = stage_entry.entry_no);
