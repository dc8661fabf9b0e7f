-- version: 3, words: 3-8f37dfb5
create or replace view clari.forecast_entry_version as
select
    forecast_id, time_period_id, time_frame_id, user_id, field_id, forecast_value, quota_value, adjustment_value,
    crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, is_present,
    valid_from,
    coalesce(valid_to, timestamptz '9999-12-31 23:59:59+00') as valid_until,
    job_id, quarter_id
from clari.forecast_entry_history;

comment on view clari.forecast_entry_version is 'One row per version of an entry, for warehouses without table macros: as of t is where valid_from <= t and t < valid_until';
comment on column clari.forecast_entry_version.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_entry_version.time_period_id is 'The entry''s own period: the quarter, a month inside it, or a period around it, such as its year';
comment on column clari.forecast_entry_version.time_frame_id is 'The week; the same id occurs in several periods';
comment on column clari.forecast_entry_version.user_id is 'The person, by Clari''s id';
comment on column clari.forecast_entry_version.field_id is 'The forecast or quota field';
comment on column clari.forecast_entry_version.forecast_value is 'The call as the person wrote it, in currency_code';
comment on column clari.forecast_entry_version.quota_value is 'Quota, in currency_code';
comment on column clari.forecast_entry_version.adjustment_value is 'The manager''s replacement of this call; 0 where it was never adjusted, in some documents';
comment on column clari.forecast_entry_version.crm_total is 'All opportunities that the field counts, in the CRM';
comment on column clari.forecast_entry_version.crm_closed is 'Closed-won, in the CRM';
comment on column clari.forecast_entry_version.currency_code is 'ISO 4217 code of every amount in the row';
comment on column clari.forecast_entry_version.is_updated is 'Whether the person touched the call in that week';
comment on column clari.forecast_entry_version.updated_by is 'User id of whoever changed the call last';
comment on column clari.forecast_entry_version.updated_at is 'When the call was changed last';
comment on column clari.forecast_entry_version.adjusted_by is 'User id of the manager who adjusted it';
comment on column clari.forecast_entry_version.adjusted_at is 'When it was adjusted';
comment on column clari.forecast_entry_version.is_present is 'False: exports had stopped showing it; the values stay';
comment on column clari.forecast_entry_version.valid_from is 'exported_at of the export that brought it';
comment on column clari.forecast_entry_version.valid_until is 'exported_at of the export that replaced it; the end of the year 9999 while it is current';
comment on column clari.forecast_entry_version.job_id is 'The export that brought it';
comment on column clari.forecast_entry_version.quarter_id is 'The quarter whose exports show it; of a period around quarters, such as a year, each quarter''s exports have rows of their own';

-- The entries as they stood at a moment: from clari.forecast_entry_as_of(timestamptz '2026-10-31 09:00+00').
create or replace macro clari.forecast_entry_as_of(moment) as table
select
    forecast_id, time_period_id, time_frame_id, user_id, field_id, forecast_value, quota_value, adjustment_value,
    crm_total, crm_closed, currency_code, is_updated, updated_by, updated_at, adjusted_by, adjusted_at, is_present,
    valid_from, valid_until, job_id, quarter_id
from clari.forecast_entry_version
where valid_from <= cast(moment as timestamptz) and valid_until > cast(moment as timestamptz);
