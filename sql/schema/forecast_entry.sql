-- version: 3, words: 3-27e297ca
-- Grain: one row per forecast, period, week, person and field: the newest known value, and the export that last showed it.
-- Of a period around quarters, such as a year, each quarter's exports have rows of their own: ids of weeks repeat.
create or replace view clari.forecast_entry as
select
    entry.forecast_id, entry.time_period_id, entry.time_frame_id, entry.user_id, entry.field_id, entry.forecast_value,
    entry.quota_value, entry.adjustment_value, entry.crm_total, entry.crm_closed, entry.currency_code, entry.is_updated,
    entry.updated_by, entry.updated_at, entry.adjusted_by, entry.adjusted_at, entry.scope_id, entry.in_latest_export,
    entry.first_seen_at, entry.changed_at,
    coalesce(sighting.exported_at, entry.last_seen_at) as last_seen_at,
    coalesce(sighting.exported_at, entry.exported_at) as exported_at,
    coalesce(sighting.job_id, entry.job_id) as job_id,
    entry.quarter_id
from clari.forecast_entry_state as entry
left join clari.forecast_entry_sighting as sighting
    on
        sighting.forecast_id = entry.forecast_id and sighting.time_period_id = entry.time_period_id
        and sighting.known_job_id = entry.job_id
        and entry.in_latest_export;

comment on view clari.forecast_entry is 'One row per forecast, period, week, person and field: the newest known value. Of a year each quarter''s exports have rows of their own: quarter_id';
comment on column clari.forecast_entry.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_entry.time_period_id is 'The entry''s own period: the quarter, a month inside it, or a period around it, such as its year';
comment on column clari.forecast_entry.time_frame_id is 'The week; the same id occurs in several periods';
comment on column clari.forecast_entry.user_id is 'The person, by Clari''s id';
comment on column clari.forecast_entry.field_id is 'The forecast or quota field';
comment on column clari.forecast_entry.forecast_value is 'The call as the person wrote it, in currency_code';
comment on column clari.forecast_entry.quota_value is 'Quota, in currency_code';
comment on column clari.forecast_entry.adjustment_value is 'The manager''s replacement of this call; 0 where it was never adjusted, in some documents';
comment on column clari.forecast_entry.crm_total is 'All opportunities that the field counts, in the CRM';
comment on column clari.forecast_entry.crm_closed is 'Closed-won, in the CRM';
comment on column clari.forecast_entry.currency_code is 'Of every amount in the row: its ISO 4217 code; of a CSV, where CLARI_CURRENCY is not set, the sign or code before it';
comment on column clari.forecast_entry.is_updated is 'Whether the person touched the call in that week';
comment on column clari.forecast_entry.updated_by is 'User id of whoever changed the call last';
comment on column clari.forecast_entry.updated_at is 'When the call was changed last';
comment on column clari.forecast_entry.adjusted_by is 'User id of the manager who adjusted it';
comment on column clari.forecast_entry.adjusted_at is 'When it was adjusted';
comment on column clari.forecast_entry.scope_id is 'Clari''s scope of the entry, where the document names one';
comment on column clari.forecast_entry.in_latest_export is 'False: exports that could have shown it no longer do; the value stays';
comment on column clari.forecast_entry.first_seen_at is 'exported_at of the export that first showed it';
comment on column clari.forecast_entry.changed_at is 'exported_at of the export that last changed it';
comment on column clari.forecast_entry.last_seen_at is 'exported_at of the export that last showed it';
comment on column clari.forecast_entry.exported_at is 'What the values are as of';
comment on column clari.forecast_entry.job_id is 'The export that last showed it';
comment on column clari.forecast_entry.quarter_id is 'The quarter whose exports show it; of a period around quarters, such as a year, each quarter''s exports have rows of their own';
