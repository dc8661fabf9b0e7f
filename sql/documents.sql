-- What is done with a document before it is merged, by DuckDB in this process.

-- name: amounts_unreadable
select field_id, time_frame_id, time_period_id, user_id, measure, written
from stage_unreadable
order by field_id, time_frame_id, time_period_id, user_id, measure, written
limit 20;

-- name: call_week
-- One row: the week of the call: the newest that has begun, else the earliest; by id where weeks carry no dates, as
-- numbers where ids are numbers.
select max(time_frame_id) as call_time_frame_id
from (
    select time_frame_id
    from (
        select
            *,
            case when start_date <= $today then 0 when start_date is null then 1 else 2 end as rank,
            case
                when translate(time_frame_id, '0123456789', '') = '' then lpad(time_frame_id, 40, '0') else time_frame_id
            end as place
        from stage_week
    ) as week
    order by
        rank,
        case when rank = 2 then start_date end,
        case when rank = 2 then place end,
        case when rank = 2 then time_frame_id end,
        start_date desc,
        place desc,
        time_frame_id desc
    limit 1
) as week;

-- name: currencies_named
-- The staged entries' signs of money as the codes that are known of them.
create or replace temp table stage_entry as
select entry.* replace (coalesce(named.code, entry.currency_code) as currency_code)
from stage_entry as entry
left join currency_named as named
    on
        named.user_id is not distinct from entry.user_id
        and named.field_id is not distinct from entry.field_id
        and named.sign = entry.currency_code;

-- name: currencies_shown
-- Grain: one row per person, field and currency of the staged entries.
select distinct user_id, field_id, currency_code
from stage_entry
where currency_code is not null
order by user_id, field_id, currency_code;

-- name: document_facts
-- One row: what the staged document holds.
select
    (select count(*) from stage_entry) as rows_staged,
    (select coalesce(sum(copies), 0) from stage_entry) as rows_written,
    (
        select count(*)
        from stage_entry
        where field_id is null or time_frame_id is null or time_period_id is null or user_id is null
    ) as null_keys,
    (select count(*) from stage_conflict) as conflicting_keys,
    (
        select case when count(distinct scope_id) = 1 and count(scope_id) = count(*) then min(scope_id) end
        from stage_entry
    ) as scope_id,
    (select count(*) from stage_unreadable) as unreadable_amounts,
    (select coalesce(sum(cells), 0) from stage_left_out) as cells_left_out;

-- name: drop_duplicates
-- Exact duplicates become one entry; what then still shares its key is in conflict.
create or replace temp table stage_entry as
with distinct_entry as (
    select * exclude (entry_no, copies), cast(sum(copies) as bigint) as copies
    from stage_entry
    group by all
)

select row_number() over () as entry_no, *
from distinct_entry;

delete from stage_conflict;

insert into stage_conflict (field_id, time_frame_id, time_period_id, user_id, versions)
select field_id, time_frame_id, time_period_id, user_id, count(*)
from stage_entry
where field_id is not null and time_frame_id is not null and time_period_id is not null and user_id is not null
group by all
having count(*) > 1;

-- name: entries_in_conflict
select field_id, time_frame_id, time_period_id, user_id, versions
from stage_conflict
order by field_id, time_frame_id, time_period_id, user_id, versions
limit 20;

-- name: entries_without_key
select field_id, time_frame_id, time_period_id, user_id
from stage_entry
where field_id is null or time_frame_id is null or time_period_id is null or user_id is null
order by field_id, time_frame_id, time_period_id, user_id
limit 20;

-- name: fields_shown
select field_id, field_name
from stage_field
order by field_id;

-- name: join_entries
-- After fields of the document were joined into one: of the entries of one key delete those that hold nothing, but keep
-- the first where none holds anything.
create or replace temp table stage_held_elsewhere as
select entry_no, copies
from (
    select
        *,
        coalesce(forecast_value, quota_value, adjustment_value, crm_total, crm_closed) is not null
        or coalesce(is_updated, false) as holds_something
    from stage_entry
    where list_contains($fields, field_id)
) as entry
qualify
    not holds_something
    and row_number() over (
        partition by time_frame_id, time_period_id, user_id, field_id order by holds_something desc, entry_no
    ) > 1;

delete from stage_entry
where entry_no in (select held.entry_no from stage_held_elsewhere as held);

-- name: keys_repeat
-- Whether any key may stand on several entries: never denied where it does.
select count(*) > count(distinct hash(field_id, time_frame_id, time_period_id, user_id)) as keys_repeat from stage_entry;

-- name: measures_left_out
select field_id, measure, cells, written
from stage_left_out
order by field_id, measure;

-- name: people_invented
-- Grain: one row: people of the document, where every address of theirs ends in .example, as nobody's do but a
-- sandbox's; else 0.
select case when bool_and(lower(email) like '%.example') then count(distinct user_id) else 0 end as people
from stage_user
where nullif(email, '') is not null;

-- name: people_shared
-- Grain: one row per person that the document shows under several ids: of one CRM id, or of one email.
with shown as (select user_id, crm_user_id, email from stage_user),

shared as (
    select crm_user_id, cast(null as varchar) as email, array_agg(user_id order by user_id) as user_ids
    from shown
    where crm_user_id is not null
    group by crm_user_id
    having count(*) > 1
    union all
    select null, email, array_agg(user_id order by user_id)
    from shown
    where email is not null
    group by email
    having count(*) > 1 and (count(crm_user_id) < count(*) or count(distinct crm_user_id) > 1)
)

select crm_user_id, email, user_ids
from shared
order by crm_user_id, email
limit 20;

-- name: periods_delivered
select time_period_id, period_type, label, start_date, end_date, is_around
from stage_time_period
order by time_period_id;

-- name: quota_fields
-- One row: the fields that carry a quota of the quarter or of a month in it, each between line breaks; null where none does.
select chr(10) || string_agg(field_id, chr(10) order by field_id) || chr(10) as quota_fields
from (
    select distinct field_id
    from stage_entry
    where
        quota_value is not null
        and time_period_id not in (select period.time_period_id from stage_time_period as period where period.is_around)
) as carrier;

-- name: recognised
-- The staged entries under the ids by which people, fields, periods and weeks are known, and the lists likewise.
create or replace temp table stage_entry as
select
    entry.* replace (
        coalesce(person.known_id, entry.user_id) as user_id,
        coalesce(updater.known_id, entry.updated_by) as updated_by,
        coalesce(adjuster.known_id, entry.adjusted_by) as adjusted_by,
        coalesce(field.known_id, entry.field_id) as field_id,
        coalesce(period.known_id, entry.time_period_id) as time_period_id,
        coalesce(week.known_id, entry.time_frame_id) as time_frame_id
    )
from stage_entry as entry
left join same_person as person on person.written_id = entry.user_id
left join same_person as updater on updater.written_id = entry.updated_by
left join same_person as adjuster on adjuster.written_id = entry.adjusted_by
left join same_field as field on field.written_id = entry.field_id
left join same_period as period on period.written_id = entry.time_period_id
left join same_week as week
    on week.time_period_id = coalesce(period.known_id, entry.time_period_id) and week.written_id = entry.time_frame_id;

create or replace temp table stage_left_out as
select left_out.* replace (coalesce(field.known_id, left_out.field_id) as field_id)
from stage_left_out as left_out
left join same_field as field on field.written_id = left_out.field_id;

create or replace temp table stage_shown_week as
select distinct time_period_id, time_frame_id from stage_entry;

-- name: restore_lists, table: stage_user | stage_field | stage_time_period | stage_week | stage_time_frame
-- What the newest loaded document lists, restaged.
create or replace temp table {table} as select * from kept_{table};

-- name: rows_joined
select cast(coalesce(sum(copies), 0) as bigint) as rows_joined from stage_held_elsewhere;

-- name: stage_begin
-- Grain: one row per entry of the document; copies is how many exact duplicates were dropped into it, itself counted.
create or replace temp table stage_entry (
    entry_no bigint not null,
    field_id varchar, time_frame_id varchar, time_period_id varchar, user_id varchar, scope_id varchar,
    currency_code varchar, forecast_value decimal(18, 4), quota_value decimal(18, 4), adjustment_value decimal(18, 4),
    crm_total decimal(18, 4), crm_closed decimal(18, 4), is_updated boolean, updated_by varchar, updated_at timestamptz,
    adjusted_by varchar, adjusted_at timestamptz,
    copies bigint not null
);

-- Grain: one row per key that stands on entries that differ.
create or replace temp table stage_conflict (
    field_id varchar, time_frame_id varchar, time_period_id varchar, user_id varchar, versions bigint not null
);

-- What `stage_unreadable` finds, where any amount is none.
create or replace temp table stage_left_out (field_id varchar, measure varchar, cells bigint, written varchar);

create or replace temp table stage_unreadable (
    field_id varchar, time_frame_id varchar, time_period_id varchar, user_id varchar, measure varchar, written varchar
);

-- name: stage_contract
-- Grain: one row per key and kind of the document.
create or replace temp table stage_contract as select shape, path, kind, is_always, is_known from raw_contract;

-- name: stage_more
-- More entries of the document, as they are read.
insert into stage_entry (
    entry_no, field_id, time_frame_id, time_period_id, user_id, scope_id, currency_code, forecast_value, quota_value,
    adjustment_value, crm_total, crm_closed, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, copies
)
select
    $before + row_number() over (),
    field_id, time_frame_id, time_period_id, user_id, scope_id,
    upper(nullif(trim(currency_code), '')),
    forecast_value, quota_value, adjustment_value, crm_total, crm_closed, is_updated,
    nullif(trim(updated_by), ''),
    make_timestamptz(nullif(updated_at, 0) * 1000),
    nullif(trim(adjusted_by), ''),
    make_timestamptz(nullif(adjusted_at, 0) * 1000),
    1
from raw_entry;

-- name: stage_unreadable, measure: forecast_value, quota_value, adjustment_value, crm_total, crm_closed
-- Grain: one row per measure of a field that is left out: a calculated column, of which some cell says that there is no
-- number (NaN, N/A, #DIV/0!, a dash), or holds a share in percent. `cells` of it are no amounts.
create or replace temp table stage_left_out as
select field_id, measure, count(*) as cells, min(written) as written
from raw_unreadable
where
    regexp_full_match(
        lower(trim(written)),
        '[+-]?(nan|inf|infinity|∞)|n/?a|n[.]a[.]|#[a-z0-9/]+[!?]|#n/a|[-‐-―−]+|[(-]?[0-9]+([.,][0-9]+)*[)]? ?%'
    )
group by field_id, measure;

-- Grain: one row per amount that is none: not a number, or more than fourteen digits before the decimals.
create or replace temp table stage_unreadable as
select *
from raw_unreadable as unreadable
where
    not exists (
        select 1
        from stage_left_out as left_out
        where left_out.field_id is not distinct from unreadable.field_id and left_out.measure = unreadable.measure
    );

update stage_entry as entry
set {measure: * = case when not column_left_out.* then entry.* end,}
from (select field_id, {measure: bool_or(measure = '*') as *,} from stage_left_out group by field_id) as column_left_out
where column_left_out.field_id = entry.field_id;

-- name: stage_user
-- Grain: one row per person of the document, those included that only its entries name.
create or replace temp table stage_user as
with listed as (
    select
        user_id,
        nullif(name, '') as name,
        nullif(email, '') as email,
        nullif(crm_user_id, '') as crm_user_id,
        nullif(scope_id, '') as scope_id,
        nullif(role_id, '') as role_id,
        nullif(role_name, '') as role_name,
        nullif(parent_role_id, '') as parent_role_id,
        nullif(parent_role_name, '') as parent_role_name
    from raw_user
    where nullif(user_id, '') is not null
    -- Listed twice: the same row whatever the order of the document.
    qualify row_number() over (partition by user_id order by name, email, crm_user_id, scope_id, role_id, parent_role_id) = 1
),
roles as (select distinct role_id from listed where role_id is not null)
select
    listed.*,
    role_id is not null
    and (parent_role_id is null or parent_role_id not in (select roles.role_id from roles)) as is_top
from listed
union all
select distinct user_id, null, null, null, null, null, null, null, null, false
from stage_entry
where user_id is not null and user_id not in (select listed.user_id from listed);

-- name: staged_totals, measure: forecast_value, quota_value, adjustment_value, crm_total, crm_closed
-- Grain: one row per field: sum and count of each measure over the staged entries, each as often as the document holds it.
select
    field_id,
    {measure: coalesce(sum(multiply(cast(* as decimal(32, 4)), cast(copies as decimal(6, 0)))), 0) as *_total, coalesce(sum(case when * is not null then copies end), 0) as *_count,}
from stage_entry
group by field_id;

-- name: tops
select user_id, name, email from stage_user where is_top order by user_id limit 20;

-- name: totals_long_csv
-- One row per field of a long CSV: sum and count of each measure. A line that stands twice counts once.
-- What is read here in another way than the rows were differs from them, and is recounted, letter by letter.
with line as (
    select distinct
        coalesce(nullif("Email", ''), "CRM User ID") as who,
        "Role" as role,
        "Timeframe" as period,
        ltrim(trim("Week"), '0') as week,
        nullif("Field", '') as field_id,
        lower(trim("Data Type")) as measure,
        trim("Data Value") as written
    from read_csv($file, header = true, names = $header, delim = ',', quote = '"', escape = '"', all_varchar = true)
),

amount as (
    select
        field_id, measure,
        case when regexp_matches(written, '^[^0-9]*[\p{Pd}\x{02D7}\x{2052}\x{207B}\x{208B}\x{2212}\x{2796}(]') then -1 else 1 end
        -- Three digits behind a point, and not more than three before it: thousands, it may be.
        * case
            when not regexp_matches(written, '(^|[^0-9.,])[1-9][0-9]{0,2}[.][0-9]{3}([^0-9]|$)')
                then try_cast(replace(regexp_extract(written, '[0-9.][0-9.,]*'), ',', '') as decimal(18, 4))
        end as amount
    from line
)

select
    field_id,
    sum(amount) filter (where measure = 'forecast value') as forecast_value_total,
    count(amount) filter (where measure = 'forecast value') as forecast_value_count,
    sum(amount) filter (where measure = 'quota value') as quota_value_total,
    count(amount) filter (where measure = 'quota value') as quota_value_count,
    sum(amount) filter (where measure = 'adjustment value') as adjustment_value_total,
    count(amount) filter (where measure = 'adjustment value') as adjustment_value_count,
    sum(amount) filter (where measure = 'crm total') as crm_total_total,
    count(amount) filter (where measure = 'crm total') as crm_total_count,
    sum(amount) filter (where measure = 'crm closed') as crm_closed_total,
    count(amount) filter (where measure = 'crm closed') as crm_closed_count
from amount
group by field_id;

-- name: totals_relational, field: nullif(entry."fieldId", ''), of: Value, crm_total: coalesce(entry."crmTotal", entry."aggregationTotal")
-- name: totals_flat, field: 'forecast', of: Amount, crm_total: entry."crmTotal"
-- One row per field of a document's array of entries, of which a flat one has one field: sum and count of each measure.
-- Amounts come by way of a binary fraction: fifteen digits are exact, and more differ from what is staged.
select
    {field} as field_id,
    sum(entry."forecast{of}") as forecast_value_total, count(entry."forecast{of}") as forecast_value_count,
    sum(entry."quota{of}") as quota_value_total, count(entry."quota{of}") as quota_value_count,
    sum(entry."adjustment{of}") as adjustment_value_total, count(entry."adjustment{of}") as adjustment_value_count,
    sum({crm_total}) as crm_total_total, count({crm_total}) as crm_total_count,
    sum(entry."crmClosed") as crm_closed_total, count(entry."crmClosed") as crm_closed_count
from
    read_json($file, format = 'array', columns = {
        "fieldId": 'varchar', "forecast{of}": 'decimal(18, 4)', "quota{of}": 'decimal(18, 4)',
        "adjustment{of}": 'decimal(18, 4)', "crmTotal": 'decimal(18, 4)', "aggregationTotal": 'decimal(18, 4)',
        "crmClosed": 'decimal(18, 4)'
    }) as entry
group by all
having count(*) > 0;

-- name: weeks_astray
-- Grain: one row per period's week that begins after the period, or ends more than a week before it, whose days end before
-- they begin, are more than the period has (of 5/10 to 11/10 whoever writes the day first makes half a year), or are not
-- the same throughout the document. A week is of the period under which it is listed: the first may end before [gitlab].
select
    week.time_period_id, week.time_frame_id, week.start_date, week.end_date,
    period.start_date as period_start_date,
    period.end_date as period_end_date,
    case
        when week.end_date < week.start_date then 'ends before it begins'
        when
            week.start_date > period.end_date
            or coalesce(week.end_date, week.start_date + 6) < period.start_date - 7
            then 'lies outside its period'
        when week.end_date - week.start_date > period.end_date - period.start_date + 6 then 'is longer than its period'
        else 'has several days'
    end as fault
from stage_time_frame as week
inner join stage_time_period as period on period.time_period_id = week.time_period_id
where
    week.end_date < week.start_date
    or week.start_date > period.end_date
    or coalesce(week.end_date, week.start_date + 6) < period.start_date - 7
    or week.end_date - week.start_date > period.end_date - period.start_date + 6
    or (
        select count(*)
        from stage_week as listed
        where
            listed.time_frame_id = week.time_frame_id
            and (
                listed.time_period_id = week.time_period_id
                or (listed.time_period_id is null and (select count(*) from stage_time_period where not is_around) = 1)
            )
    ) > 1
order by week.time_period_id, week.start_date, week.time_frame_id;

-- name: weeks_span
-- Grain: one row: from when to when the weeks that the document lists with days reach, and how many they are.
select count(*) as weeks, min(start_date) as start_date, max(coalesce(end_date, start_date + 6)) as end_date
from stage_week
where start_date is not null;
