-- What a merge does to the tables of entries, and how it is counted.

-- name: control_totals, measure: forecast_value, quota_value, adjustment_value, crm_total, crm_closed
-- Grain: one row a field: sum and count of each measure over the merged rows that the export left its mark on, in the
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
-- Grain: one row a field: what exact duplicates in the document add to sum and count of each measure: each merged row as
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
where entry.forecast_id = $forecast_id
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

-- name: forget_periods, table: forecast_entry_state
-- name: forget_periods, table: forecast_entry_sighting
-- name: forget_periods, table: forecast_entry_history
-- name: forget_periods, table: forecast_time_frame
-- name: forget_periods, table: forecast_swing
-- name: forget_periods, table: forecast_swing_summary
-- name: forget_periods, table: forecast_swing_contribution
-- Before a forecast's quarter is rebuilt from its landed documents, in the same transaction.
delete from clari.{table}
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id);

-- name: forget_quarter, table: forecast_user_sighting
-- name: forget_quarter, table: newest_document
-- name: forget_quarter, table: mart_part_version
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

-- name: rows_of_newest
-- Grain: one row: whether an export's rows still are in the tables, as many as it had, each with the version that is
-- open. Counted, not compared: what is merged from memory is not reread.
select
    (
        select count(*)
        from clari.forecast_entry
        where forecast_id = $forecast_id and job_id = $job_id and exported_at = $exported_at and in_latest_export
    ) as rows_shown,
    (
        select count(*)
        from clari.forecast_entry_state
        where
            forecast_id = $forecast_id
            and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    ) as rows_known,
    (
        select count(*)
        from clari.forecast_entry_history
        where
            forecast_id = $forecast_id
            and valid_to is null
            and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    ) as versions_open;

-- name: same_document
-- The newest document was exported a second time: every entry that it shows was seen by the newer export, and none has changed.
-- Rows that an earlier release has merged name the export themselves, all of them.
insert into clari.forecast_entry_sighting (forecast_id, time_period_id, known_job_id, job_id, exported_at)
select $forecast_id, known.time_period_id, $known_job_id, $job_id, $exported_at
from (
    select distinct time_period_id
    from clari.forecast_entry_state
    where
        forecast_id = $forecast_id
        and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
        and job_id = $known_job_id
        and in_latest_export
) as known
where
    not exists (
        select 1
        from clari.forecast_entry_sighting as sighting
        where
            sighting.forecast_id = $forecast_id
            and sighting.time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
            and $known_job_id in (sighting.job_id, sighting.known_job_id)
    );

update clari.forecast_entry_sighting
set job_id = $job_id, exported_at = $exported_at
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and job_id = $known_job_id;

update clari.newest_document
set job_id = $job_id
where forecast_id = $forecast_id and quarter_id = $quarter_id;

-- name: weeks, table: forecast_time_frame, is_ours: forecast_id = $forecast_id, period: forecast_id, time_period_id, its_period: $forecast_id, shown.time_period_id
-- name: weeks, table: time_frame, is_ours: true, period: time_period_id, its_period: shown.time_period_id
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
    where time_period_id in (select stage_time_period.time_period_id from stage_time_period)
) as numbered
where
    week.time_period_id = numbered.time_period_id and week.time_frame_id = numbered.time_frame_id
    and week.week_number is distinct from numbered.week_number;

-- name: dimensions
-- Fields, periods and weeks are described by the newest export that shows them, whatever order exports arrive in.
merge into clari.forecast_field as known
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
    from stage_field as shown
    left join clari.forecast_field as described on described.forecast_id = $forecast_id and described.field_id = shown.field_id
    left join clari.export_job as describer on describer.job_id = described.job_id
) as shown
on known.forecast_id = $forecast_id and known.field_id = shown.field_id
when matched and shown.is_newer then update set
    field_name = shown.field_name,
    field_type = shown.field_type,
    last_seen_at = $exported_at,
    job_id = $job_id
when not matched then insert (forecast_id, field_id, field_name, field_type, last_seen_at, job_id)
values ($forecast_id, shown.field_id, shown.field_name, shown.field_type, $exported_at, $job_id);

merge into clari.time_period as known
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
    from stage_time_period as shown
    left join clari.time_period as described on described.time_period_id = shown.time_period_id
    left join clari.export_job as describer on describer.job_id = described.job_id
) as shown
on known.time_period_id = shown.time_period_id
when matched and shown.is_newer then update set
    quarter_id = $quarter_id,
    period_type = shown.period_type,
    label = shown.label,
    year = shown.year,
    start_date = shown.start_date,
    end_date = shown.end_date,
    crm_id = shown.crm_id,
    last_seen_at = $exported_at,
    job_id = $job_id
when not matched then insert (
    time_period_id, quarter_id, period_type, label, year, start_date, end_date, crm_id, last_seen_at, job_id
) values (
    shown.time_period_id, $quarter_id, shown.period_type, shown.label, shown.year, shown.start_date, shown.end_date,
    shown.crm_id, $exported_at, $job_id
);

-- name: forecast_entry_history
-- A version a change: the open one is closed, the new one opened. After forecast_entry, from what it has become.
create or replace temp table entry_versioned as
select entry.time_period_id, entry.time_frame_id, entry.user_id, entry.field_id, true as is_present
from stage_entry as entry
inner join entry_change as change on change.entry_no = entry.entry_no and change.change = 'UPDATE'
union all
select time_period_id, time_frame_id, user_id, field_id, false
from entry_gone;

update clari.forecast_entry_history as version
set valid_to = $exported_at
from entry_versioned as changed
where
    version.valid_to is null
    and version.forecast_id = $forecast_id
    and version.time_period_id = changed.time_period_id and version.time_frame_id = changed.time_frame_id
    and version.user_id = changed.user_id and version.field_id = changed.field_id;

-- Two exports as of the same moment: the one submitted later stands, the other leaves no version of no length.
delete from clari.forecast_entry_history
where forecast_id = $forecast_id and valid_from = $exported_at and valid_to = $exported_at;

insert into clari.forecast_entry_history (
    forecast_id, time_period_id, time_frame_id, user_id, field_id, forecast_value, quota_value, adjustment_value,
    crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, is_present,
    valid_from, valid_to, job_id
)
select
    entry.forecast_id, entry.time_period_id, entry.time_frame_id, entry.user_id, entry.field_id, entry.forecast_value,
    entry.quota_value, entry.adjustment_value, entry.crm_total, entry.crm_closed, entry.currency_code, entry.is_updated,
    entry.updated_by, entry.updated_at, entry.adjusted_by, entry.adjusted_at, changed.is_present, $exported_at,
    cast(null as timestamptz),
    $job_id
from clari.forecast_entry_state as entry
inner join entry_versioned as changed using (time_period_id, time_frame_id, user_id, field_id)
where entry.forecast_id = $forecast_id
union all
select
    $forecast_id, time_period_id, time_frame_id, user_id, field_id,
    case when $has_forecast then forecast_value end,
    case when $has_quota then quota_value end,
    case when $has_adjustment then adjustment_value end,
    case when $has_crm_total then crm_total end,
    case when $has_crm_closed then crm_closed end,
    currency_code,
    case when $has_forecast_updated then is_updated end,
    case when $has_forecast_updated then updated_by end,
    case when $has_forecast_updated then updated_at end,
    case when $has_adjustment then adjusted_by end,
    case when $has_adjustment then adjusted_at end,
    true, $exported_at, null, $job_id
from stage_entry
where
    exists (select 1 from entry_counted where rows_staged > rows_known)
    and not exists (select 1 from entry_change as change where change.entry_no = stage_entry.entry_no);
