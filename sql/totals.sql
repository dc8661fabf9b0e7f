-- What a merge left in the tables of a forecast's quarter, against what stands there.

-- name: forget
delete from clari.merged_total
where
    forecast_id = $forecast_id
    and (quarter_id = cast($quarter_id as varchar) or quarter_id is null)
    and (cast($with_entries as boolean) or table_name not in ('forecast_entry_state', 'forecast_entry_history'));

-- name: knows_entries
-- Whether a merge has recorded what it left of the quarter's entries.
select count(*) > 0 as knows_entries
from clari.merged_total
where forecast_id = $forecast_id and quarter_id = $quarter_id and table_name = 'forecast_entry_state';

-- name: left_behind
-- What the last merge left there; fingerprints are null where they were made in another way than today's.
select
    quarter_id, table_name, field_id, row_count, present_count,
    forecast_value_total, forecast_value_count, quota_value_total, quota_value_count,
    adjustment_value_total, adjustment_value_count, crm_total_total, crm_total_count,
    crm_closed_total, crm_closed_count,
    case when hashed_by = cast(hash(cast('rows 1' as varchar)) as decimal(38, 0)) then fingerprint end as fingerprint
from clari.merged_total
where forecast_id = $forecast_id and (quarter_id = cast($quarter_id as varchar) or quarter_id is null);

-- name: standing, goal: with, measure: forecast_value, quota_value, adjustment_value, crm_total, crm_closed, state: time_period_id, time_frame_id, user_id, field_id, forecast_value, quota_value, adjustment_value, crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, scope_id, in_latest_export, first_seen_at, changed_at, last_seen_at, exported_at, job_id, history: time_period_id, time_frame_id, user_id, field_id, forecast_value, quota_value, adjustment_value, crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, is_present, valid_from, valid_to, job_id, seen: time_period_id, known_job_id, job_id, exported_at, week: time_period_id, time_frame_id, start_date, end_date, last_seen_at, job_id, sighting: user_id, name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, is_top, first_seen_at, last_seen_at, job_id, person: user_id, name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, is_top, in_latest_export, last_seen_at, version: user_id, name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, is_top, valid_from, valid_to
-- name: leave, goal: insert into clari.merged_total (forecast_id, quarter_id, table_name, field_id, row_count, present_count, forecast_value_total, forecast_value_count, quota_value_total, quota_value_count, adjustment_value_total, adjustment_value_count, crm_total_total, crm_total_count, crm_closed_total, crm_closed_count, fingerprint, hashed_by) with, measure: forecast_value, quota_value, adjustment_value, crm_total, crm_closed, state: time_period_id, time_frame_id, user_id, field_id, forecast_value, quota_value, adjustment_value, crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, scope_id, in_latest_export, first_seen_at, changed_at, last_seen_at, exported_at, job_id, history: time_period_id, time_frame_id, user_id, field_id, forecast_value, quota_value, adjustment_value, crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, is_present, valid_from, valid_to, job_id, seen: time_period_id, known_job_id, job_id, exported_at, week: time_period_id, time_frame_id, start_date, end_date, last_seen_at, job_id, sighting: user_id, name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, is_top, first_seen_at, last_seen_at, job_id, person: user_id, name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, is_top, in_latest_export, last_seen_at, version: user_id, name, email, crm_user_id, scope_id, role_id, role_name, parent_role_id, parent_role_name, is_top, valid_from, valid_to
-- What stands there: of the quarter, and of the forecast's people, who are of all its quarters; of these alone where the
-- quarter is null. Entries and their history, which have to be scanned, are left out where a merge has not written them.
-- Whoever changes what a fingerprint is made of raises the number in 'rows 1', here and in left_behind.
{goal} standing as (
    select
        quarter_id, 'forecast_entry_state' as table_name, field_id, count(*) as row_count,
        count(case when in_latest_export then 1 end) as present_count,
        {measure: sum(*) as *_total, count(*) as *_count,}, sum(hash({state})) as fingerprint
    from clari.forecast_entry_state
    where forecast_id = $forecast_id and quarter_id = cast($quarter_id as varchar) and cast($with_entries as boolean)
    group by quarter_id, field_id
    union all
    select
        quarter_id, 'forecast_entry_history', field_id, count(*), count(case when is_present then 1 end),
        {measure: sum(*), count(*),}, sum(hash({history}))
    from clari.forecast_entry_history
    where forecast_id = $forecast_id and quarter_id = cast($quarter_id as varchar) and cast($with_entries as boolean)
    group by quarter_id, field_id
    union all
    select quarter_id, 'forecast_entry_sighting', null, count(*), null, {measure: null, null,}, sum(hash({seen}))
    from clari.forecast_entry_sighting
    where forecast_id = $forecast_id and quarter_id = cast($quarter_id as varchar)
    group by quarter_id
    union all
    select quarter_id, 'forecast_time_frame', null, count(*), null, {measure: null, null,}, sum(hash({week}))
    from clari.forecast_time_frame
    where forecast_id = $forecast_id and quarter_id = cast($quarter_id as varchar)
    group by quarter_id
    union all
    select quarter_id, 'forecast_user_sighting', null, count(*), null, {measure: null, null,}, sum(hash({sighting}))
    from clari.forecast_user_sighting
    where forecast_id = $forecast_id and quarter_id = cast($quarter_id as varchar)
    group by quarter_id
    union all
    select
        null, 'forecast_user', null, count(*), count(case when in_latest_export then 1 end), {measure: null, null,},
        sum(hash({person}))
    from clari.forecast_user
    where forecast_id = $forecast_id
    union all
    select null, 'forecast_user_history', null, count(*), null, {measure: null, null,}, sum(hash({version}))
    from clari.forecast_user_history
    where forecast_id = $forecast_id
)

select
    cast($forecast_id as varchar) as forecast_id, quarter_id, table_name, field_id, row_count, present_count,
    {measure: *_total, *_count,}, cast(fingerprint as decimal(38, 0)) as fingerprint,
    cast(hash(cast('rows 1' as varchar)) as decimal(38, 0)) as hashed_by
from standing
where row_count > 0;
