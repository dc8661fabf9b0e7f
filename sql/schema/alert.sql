-- version: 3, words: 3-8964d1a1
create table if not exists clari.alert (
    alert_key varchar primary key,
    alert_class varchar not null,
    kind varchar not null,
    severity varchar not null,
    title varchar not null,
    body varchar,
    created_at timestamptz not null,
    sent_at timestamptz,
    attempts integer not null default 0,
    last_error varchar,
    run_id varchar,
    detail varchar
);

alter table clari.alert add column if not exists detail varchar;

comment on table clari.alert is 'One row per alert, written before it is sent';
comment on column clari.alert.alert_key is 'This occurrence';
comment on column clari.alert.alert_class is 'What repeats: for a swing the forecast, quarter, person and field';
comment on column clari.alert.kind is 'What it is about, such as forecast_swing or auth_failed: docs/runbook.md has a row on each';
comment on column clari.alert.severity is 'P1, P2 or P3';
comment on column clari.alert.title is 'Subject';
comment on column clari.alert.body is 'Message';
comment on column clari.alert.created_at is 'When it was found';
comment on column clari.alert.sent_at is 'When every channel had accepted it; null is unsent';
comment on column clari.alert.attempts is 'How often it was tried';
comment on column clari.alert.last_error is 'Why the last try failed';
comment on column clari.alert.run_id is 'The sync that found it';
comment on column clari.alert.detail is 'The raw values, as JSON: amounts as text, moments in ISO 8601';
