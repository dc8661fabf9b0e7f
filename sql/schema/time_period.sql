-- version: 3, words: 3-0396715f
create table if not exists clari.time_period (
    time_period_id varchar primary key,
    quarter_id varchar not null,
    period_type varchar,
    label varchar,
    year integer,
    start_date date,
    end_date date,
    crm_id varchar,
    last_seen_at timestamptz not null,
    job_id varchar not null
);

comment on table clari.time_period is 'One row per period: a quarter, a month in one, or a period around quarters, such as a year';
comment on column clari.time_period.time_period_id is 'Clari''s id of the period';
comment on column clari.time_period.quarter_id is 'The quarter that it is, or lies in; its own id where it lies around quarters, as a year does';
comment on column clari.time_period.period_type is 'QUARTER, MONTH, YEAR or another that Clari names';
comment on column clari.time_period.label is 'Its name in Clari';
comment on column clari.time_period.year is 'Fiscal year';
comment on column clari.time_period.start_date is 'First day';
comment on column clari.time_period.end_date is 'Last day';
comment on column clari.time_period.crm_id is 'Its id in the CRM';
comment on column clari.time_period.last_seen_at is 'exported_at of the export that last showed it';
comment on column clari.time_period.job_id is 'That export';
