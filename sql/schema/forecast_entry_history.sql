-- version: 3, words: 3-6b2ab0a9
create table if not exists clari.forecast_entry_history (
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
    is_present boolean not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    job_id varchar not null,
    quarter_id varchar
);

alter table clari.forecast_entry_history add column if not exists quarter_id varchar;

comment on table clari.forecast_entry_history is 'One row per version of an entry (of a year: a quarter''s exports and entry); as of t: valid_from <= t and (valid_to > t or valid_to is null)';
comment on column clari.forecast_entry_history.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.forecast_entry_history.time_period_id is 'The entry''s own period: the quarter, a month inside it, or a period around it, such as its year';
comment on column clari.forecast_entry_history.time_frame_id is 'The week; the same id occurs in several periods';
comment on column clari.forecast_entry_history.user_id is 'The person, by Clari''s id';
comment on column clari.forecast_entry_history.field_id is 'The forecast or quota field';
comment on column clari.forecast_entry_history.forecast_value is 'The call as the person wrote it, in currency_code';
comment on column clari.forecast_entry_history.quota_value is 'Quota, in currency_code';
comment on column clari.forecast_entry_history.adjustment_value is 'The manager''s replacement of this call; 0 where it was never adjusted, in some documents';
comment on column clari.forecast_entry_history.crm_total is 'All opportunities that the field counts, in the CRM';
comment on column clari.forecast_entry_history.crm_closed is 'Closed-won, in the CRM';
comment on column clari.forecast_entry_history.currency_code is 'Of every amount in the row: its ISO 4217 code; of a CSV, where CLARI_CURRENCY is not set, the sign or code before it';
comment on column clari.forecast_entry_history.is_updated is 'Whether the person touched the call in that week';
comment on column clari.forecast_entry_history.updated_by is 'User id of whoever changed the call last';
comment on column clari.forecast_entry_history.updated_at is 'When the call was changed last';
comment on column clari.forecast_entry_history.adjusted_by is 'User id of the manager who adjusted it';
comment on column clari.forecast_entry_history.adjusted_at is 'When it was adjusted';
comment on column clari.forecast_entry_history.is_present is 'False: exports had stopped showing it';
comment on column clari.forecast_entry_history.valid_from is 'exported_at of the export that brought it';
comment on column clari.forecast_entry_history.valid_to is 'exported_at of the export that replaced it; null is current';
comment on column clari.forecast_entry_history.job_id is 'The export that brought it';
comment on column clari.forecast_entry_history.quarter_id is 'The quarter whose exports show it; of a period around quarters, such as a year, each quarter''s exports have rows of their own';
