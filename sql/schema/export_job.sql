-- version: 6, words: 6-80262ce5
create table if not exists clari.export_job (
    request_id varchar primary key,
    job_id varchar unique,
    run_id varchar,
    forecast_id varchar not null,
    time_period_id varchar not null,
    types_to_export varchar,
    scope_id varchar,
    currency varchar,
    export_format varchar,
    include_historical boolean,
    state varchar not null,
    clari_status varchar,
    attempt integer,
    submitted_at timestamptz,
    completed_at timestamptz,
    landed_at timestamptz,
    loaded_at timestamptz,
    exported_at timestamptz,
    poll_count integer,
    wait_seconds decimal(18,3),
    result_bytes bigint,
    result_sha256 varchar,
    landing_path varchar,
    rows_exported bigint,
    rows_staged bigint,
    rows_inserted bigint,
    rows_updated bigint,
    rows_unchanged bigint,
    rows_disappeared bigint,
    rows_truncated boolean,
    document_period_id varchar,
    call_time_frame_id varchar,
    error varchar,
    types_refused varchar,
    retry_count integer,
    slot_wait_seconds decimal(18,3),
    latency_seconds decimal(18,3),
    error_kind varchar,
    told_at timestamptz,
    quota_fields varchar,
    contract varchar,
    source varchar default 'EXPORT',
    started_by varchar
);

alter table clari.export_job add column if not exists types_refused varchar;
alter table clari.export_job add column if not exists retry_count integer;
alter table clari.export_job add column if not exists slot_wait_seconds decimal(18,3);
alter table clari.export_job add column if not exists latency_seconds decimal(18,3);
alter table clari.export_job add column if not exists error_kind varchar;
alter table clari.export_job add column if not exists told_at timestamptz;
alter table clari.export_job add column if not exists quota_fields varchar;
alter table clari.export_job add column if not exists contract varchar;
alter table clari.export_job add column if not exists source varchar default 'EXPORT';
alter table clari.export_job add column if not exists started_by varchar;

comment on table clari.export_job is 'One row per export that this pipeline meant to make, written before Clari is asked: a write-ahead ledger';
comment on column clari.export_job.request_id is 'This pipeline''s own id of the export';
comment on column clari.export_job.job_id is 'Clari''s id; null until Clari has given one; without a job (source CURRENT) one of this pipeline''s own';
comment on column clari.export_job.run_id is 'The sync that it belongs to';
comment on column clari.export_job.forecast_id is 'The forecast asked for';
comment on column clari.export_job.time_period_id is 'The quarter asked for';
comment on column clari.export_job.types_to_export is 'Types asked for and granted, comma-separated, sorted';
comment on column clari.export_job.scope_id is 'Scope asked for; null is the whole organisation; part: and a user id of a file that shows the people below that user';
comment on column clari.export_job.currency is 'Currency asked for; null is the organisation''s own';
comment on column clari.export_job.export_format is 'JSON or CSV';
comment on column clari.export_job.include_historical is 'Whether every week was asked for, or only the current one';
comment on column clari.export_job.state is 'SUBMITTING, SUBMITTED, LANDED, LOADED, REFUSED, FAILED, TIMED_OUT, CANCELLED or RETIRED (was loaded, and has left the tables with its quarter)';
comment on column clari.export_job.clari_status is 'Clari''s own word for the job, when last seen';
comment on column clari.export_job.attempt is '1 for the first try, 2 for the next';
comment on column clari.export_job.submitted_at is 'When Clari accepted it; before that, when it was first asked';
comment on column clari.export_job.completed_at is 'Clari''s endTime';
comment on column clari.export_job.landed_at is 'When the document was safe on disk';
comment on column clari.export_job.loaded_at is 'When it was merged';
comment on column clari.export_job.exported_at is 'Clari''s startTime, what the figures are as of; where Clari gives none, submitted_at';
comment on column clari.export_job.poll_count is 'How often Clari was asked for the job''s state';
comment on column clari.export_job.wait_seconds is 'Seconds from acceptance to the job''s end';
comment on column clari.export_job.result_bytes is 'Size of the document as Clari sent it';
comment on column clari.export_job.result_sha256 is 'Its SHA-256';
comment on column clari.export_job.landing_path is 'Its folder below the landing folder';
comment on column clari.export_job.rows_exported is 'Entries counted in the document';
comment on column clari.export_job.rows_staged is 'Entries after exact duplicates were dropped';
comment on column clari.export_job.rows_inserted is 'Entries that were new';
comment on column clari.export_job.rows_updated is 'Entries that changed or came back';
comment on column clari.export_job.rows_unchanged is 'Entries that were known already';
comment on column clari.export_job.rows_disappeared is 'Entries that it could have shown and did not';
comment on column clari.export_job.rows_truncated is 'Clari says that the document is incomplete';
comment on column clari.export_job.document_period_id is 'Periods that the document holds, comma-separated';
comment on column clari.export_job.call_time_frame_id is 'The document''s week of the call: the newest that had started';
comment on column clari.export_job.error is 'Why it was not merged';
comment on column clari.export_job.types_refused is 'Types asked for that Clari does not give this organisation, comma-separated: their measures keep their values';
comment on column clari.export_job.retry_count is 'Calls to Clari that had to be made once more';
comment on column clari.export_job.slot_wait_seconds is 'Seconds waited for a free slot before Clari accepted it';
comment on column clari.export_job.latency_seconds is 'Seconds from acceptance to the document safe on disk';
comment on column clari.export_job.error_kind is 'What kind of error kept it from coming, such as AuthFailed or QuotaExhausted';
comment on column clari.export_job.told_at is 'When its swings, or its refusal, were looked at for alerts';
comment on column clari.export_job.quota_fields is 'Fields that carry a quota in the document, by their ids, each between line breaks; null where none does, or quotas were not asked for';
comment on column clari.export_job.contract is 'Fingerprint of the document''s keys and their kinds, which document_contract lists: two that differ may do so by their data alone; the check contract_is_stable tells';
comment on column clari.export_job.source is 'EXPORT: an export job; CURRENT: Clari''s call without a job, the newest week alone, which counts against no quota';
comment on column clari.export_job.started_by is 'Who started the sync: schedule (Dagster''s schedule, or a command without a terminal, as cron runs it) or person (a terminal, or Dagster''s page); null before this was kept';
