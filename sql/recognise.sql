-- How people, fields, periods and weeks of a quarter are known, for documents that name them otherwise.

-- name: currencies
-- Grain: one row per person, field and currency of the quarter's entries.
select distinct user_id, field_id, currency_code
from clari.forecast_entry_state
where
    forecast_id = $forecast_id
    and quarter_id = $quarter_id
    and currency_code is not null
order by user_id, field_id, currency_code;

-- name: fields
-- Grain: one row per field of which the quarter has an entry.
select used.field_id, field.field_name, field.field_type, used.shown > 0 as is_shown
from (
    select field_id, max(case when in_latest_export then 1 else 0 end) as shown
    from clari.forecast_entry_state
    where
        forecast_id = $forecast_id
        and quarter_id = $quarter_id
    group by field_id
) as used
left join clari.forecast_field as field on field.forecast_id = $forecast_id and field.field_id = used.field_id
order by used.field_id;

-- name: formats
-- One row: merged documents of the quarter with ids of Clari's, and with others: CSV, and the flat JSON. Verdicts that
-- passed may have been forgotten: of those exports the format tells, whose JSON has Clari's ids.
with merged as (
    select
        coalesce(cast(verdict.evidence as varchar), case job.export_format when 'CSV' then '"long_csv"' else '"relational"' end)
            as evidence
    from clari.export_job as job
    left join clari.export_check as verdict
        on verdict.request_id = job.request_id and verdict.check_name = 'export_is_readable'
    where job.forecast_id = $forecast_id and job.time_period_id = $quarter_id and job.state in ('LOADED', 'RETIRED')
)

select
    count(case when evidence like '%"relational"%' then 1 end) as with_ids,
    count(case when evidence like '%"long_csv"%' or evidence like '%"flat"%' then 1 end) as without_ids
from merged;

-- name: months
-- Grain: one row per month of the quarter, with days, of whichever forecast.
select time_period_id, start_date, end_date
from clari.time_period
where quarter_id = $quarter_id and period_type = 'MONTH' and start_date is not null and end_date is not null
order by time_period_id desc;

-- name: name_currency, table: forecast_entry_state, person: user_id, is_ours: quarter_id = $quarter_id
-- name: name_currency, table: forecast_entry_history, person: user_id, is_ours: quarter_id = $quarter_id
-- name: name_currency, table: forecast_swing_contribution, person: report_user_id, is_ours: time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
-- A sign of money that older exports of the quarter wrote is the code that a newer one writes: of all where
-- $entries are one empty text, else of these, each a person and a field with a blank between them.
update clari.{table}
set currency_code = $code
where
    forecast_id = $forecast_id
    and {is_ours}
    and currency_code = $sign
    and (list_contains($entries, '') or list_contains($entries, {person} || ' ' || field_id));

-- name: name_swing_currency, table: forecast_swing, entry: user_id || ' ' || field_id
-- name: name_swing_currency, table: forecast_swing_summary, entry: ''
-- The same of comparisons, which know two currencies. A summary is of many people.
update clari.{table}
set
    currency_code = case when currency_code = $sign then $code else currency_code end,
    previous_currency_code = case when previous_currency_code = $sign then $code else previous_currency_code end
where
    forecast_id = $forecast_id
    and time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
    and $sign in (currency_code, previous_currency_code)
    and (list_contains($entries, '') or list_contains($entries, {entry}));

-- name: outdate_marts
-- The quarter's marts are to be refreshed.
delete from clari.mart_part_version where forecast_id = $forecast_id and quarter_id = $quarter_id;

-- name: people
-- Grain: one row per person of the quarter, as the newest export that showed the person did. asked_scope_id is that
-- export's scope; is_shown: no newer one of that scope came since.
with newest as (
    select
        sighting.user_id, sighting.name, sighting.email, sighting.crm_user_id, sighting.scope_id, sighting.role_id,
        sighting.role_name, sighting.parent_role_id, sighting.parent_role_name, sighting.last_seen_at,
        shown_by.scope_id as asked_scope_id
    from clari.forecast_user_sighting as sighting
    left join clari.export_job as shown_by on shown_by.job_id = sighting.job_id
    where sighting.forecast_id = $forecast_id and sighting.quarter_id = $quarter_id
    qualify row_number() over (partition by sighting.user_id order by sighting.last_seen_at desc, sighting.first_seen_at desc) = 1
)

select
    user_id, name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, asked_scope_id,
    last_seen_at = max(last_seen_at) over (partition by asked_scope_id) as is_shown
from newest
order by user_id;

-- name: weeks
-- Grain: one row per period and week of which the quarter has an entry, with the period's own attributes.
select
    used.time_period_id, used.time_frame_id, week.start_date, week.end_date, period.period_type, period.label,
    period.year,
    period.start_date as period_start_date,
    period.end_date as period_end_date,
    period.crm_id,
    period.quarter_id <> $quarter_id as is_around
from (
    select distinct time_period_id, time_frame_id
    from clari.forecast_entry_state
    where
        forecast_id = $forecast_id
        and quarter_id = $quarter_id
) as used
left join clari.time_frame as week
    on
        week.quarter_id = $quarter_id and week.time_period_id = used.time_period_id
        and week.time_frame_id = used.time_frame_id
left join clari.time_period as period on period.time_period_id = used.time_period_id
order by used.time_period_id, used.time_frame_id;
