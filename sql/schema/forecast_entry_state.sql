-- version: 3, words: 3-d2956264
-- Grain: one row per forecast, period, week, person and field: the newest known value, as the export wrote it that last
-- changed it. An export that shows it unchanged leaves it alone, and says so in forecast_entry_sighting.
create table if not exists clari.forecast_entry_state (
    forecast_id varchar not null,
    time_period_id varchar not null,
    time_frame_id varchar not null,
    user_id varchar not null,
    field_id varchar not null,
    forecast_value decimal(18,4),
    quota_value decimal(18,4),
    adjustment_value decimal(18,4),
    crm_total decimal(18,4),
    crm_closed decimal(18,4),
    currency_code varchar,
    is_updated boolean,
    updated_by varchar,
    updated_at timestamptz,
    adjusted_by varchar,
    adjusted_at timestamptz,
    scope_id varchar,
    in_latest_export boolean not null,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    last_seen_at timestamptz not null,
    exported_at timestamptz not null,
    job_id varchar not null,
    quarter_id varchar
);

alter table clari.forecast_entry_state add column if not exists quarter_id varchar;

comment on table clari.forecast_entry_state is 'One row per forecast, period, week, person and field, as it was last written; forecast_entry shows it with the export that showed it last';
comment on column clari.forecast_entry_state.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_entry_state.time_period_id is 'The entry''s own period: the quarter, a month inside it, or a period around it, such as its year';
comment on column clari.forecast_entry_state.time_frame_id is 'The week; the same id occurs in several periods';
comment on column clari.forecast_entry_state.user_id is 'The person, by Clari''s id';
comment on column clari.forecast_entry_state.field_id is 'The forecast or quota field';
comment on column clari.forecast_entry_state.forecast_value is 'The call as the person wrote it, in currency_code';
comment on column clari.forecast_entry_state.quota_value is 'Quota, in currency_code';
comment on column clari.forecast_entry_state.adjustment_value is 'The manager''s replacement of this call; 0 where it was never adjusted, in some documents';
comment on column clari.forecast_entry_state.crm_total is 'All opportunities that the field counts, in the CRM';
comment on column clari.forecast_entry_state.crm_closed is 'Closed-won, in the CRM';
comment on column clari.forecast_entry_state.currency_code is 'ISO 4217 code of every amount in the row';
comment on column clari.forecast_entry_state.is_updated is 'Whether the person touched the call in that week';
comment on column clari.forecast_entry_state.updated_by is 'User id of whoever changed the call last';
comment on column clari.forecast_entry_state.updated_at is 'When the call was changed last';
comment on column clari.forecast_entry_state.adjusted_by is 'User id of the manager who adjusted it';
comment on column clari.forecast_entry_state.adjusted_at is 'When it was adjusted';
comment on column clari.forecast_entry_state.scope_id is 'Clari''s scope of the entry, where the document names one';
comment on column clari.forecast_entry_state.in_latest_export is 'False: exports that could have shown it no longer do; the value stays';
comment on column clari.forecast_entry_state.first_seen_at is 'exported_at of the export that first showed it';
comment on column clari.forecast_entry_state.changed_at is 'exported_at of the export that last changed it';
comment on column clari.forecast_entry_state.last_seen_at is 'exported_at of job_id';
comment on column clari.forecast_entry_state.exported_at is 'exported_at of job_id, too';
comment on column clari.forecast_entry_state.job_id is 'The export that last wrote the row; where in_latest_export, newer ones may have shown it unchanged: forecast_entry_sighting';
comment on column clari.forecast_entry_state.quarter_id is 'The quarter whose exports show it; of a period around quarters, such as a year, each quarter''s exports have rows of their own';
