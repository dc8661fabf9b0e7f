-- version: 3, words: 3-68f42375
create table if not exists clari.product_fetch (
    request_id varchar primary key,
    job_id varchar unique,
    run_id varchar,
    product varchar not null,
    window_from timestamptz,
    window_to timestamptz,
    gap_from timestamptz,
    gap_to timestamptz,
    state varchar not null,
    clari_status varchar,
    attempt integer,
    submitted_at timestamptz,
    completed_at timestamptz,
    landed_at timestamptz,
    loaded_at timestamptz,
    exported_at timestamptz,
    answer_count integer,
    poll_count integer,
    retry_count integer,
    wait_seconds decimal(18,3),
    slot_wait_seconds decimal(18,3),
    result_bytes bigint,
    result_sha256 varchar,
    landing_path varchar,
    rows_truncated boolean,
    rows_exported bigint,
    rows_staged bigint,
    rows_inserted bigint,
    rows_updated bigint,
    rows_unchanged bigint,
    error varchar,
    error_kind varchar,
    is_adopted boolean,
    started_by varchar
);

alter table clari.product_fetch add column if not exists is_adopted boolean;
alter table clari.product_fetch add column if not exists started_by varchar;

comment on table clari.product_fetch is 'One row per fetch of a product beside the forecast that this pipeline meant to make, written before Clari is asked: what export_job is for forecasts';
comment on column clari.product_fetch.request_id is 'This pipeline''s own id of the fetch';
comment on column clari.product_fetch.job_id is 'Clari''s id of the export job; null where the product has none, or Clari has given none yet';
comment on column clari.product_fetch.run_id is 'The sync that it belongs to';
comment on column clari.product_fetch.product is 'limits, audit, activity or opportunity';
comment on column clari.product_fetch.window_from is 'From when records were asked for; null where the product has no window';
comment on column clari.product_fetch.window_to is 'Until when';
comment on column clari.product_fetch.gap_from is 'From here to gap_to Clari had thrown away what was never fetched; null where nothing is missing';
comment on column clari.product_fetch.gap_to is 'The end of what is missing';
comment on column clari.product_fetch.state is 'SUBMITTING, SUBMITTED, LANDED, LOADED, REFUSED, FAILED, TIMED_OUT or CANCELLED';
comment on column clari.product_fetch.clari_status is 'Clari''s own word for the job, when last seen';
comment on column clari.product_fetch.attempt is '1 for the first try, 2 for the next';
comment on column clari.product_fetch.submitted_at is 'When Clari accepted it; before that, when it was first asked';
comment on column clari.product_fetch.completed_at is 'Clari''s endTime';
comment on column clari.product_fetch.landed_at is 'When the document was safe on disk';
comment on column clari.product_fetch.loaded_at is 'When it was merged';
comment on column clari.product_fetch.exported_at is 'What the records are as of: Clari''s startTime of a job, else when Clari was asked';
comment on column clari.product_fetch.answer_count is 'Answers that the document is made of: pages, or calls';
comment on column clari.product_fetch.poll_count is 'How often Clari was asked for the job''s state';
comment on column clari.product_fetch.retry_count is 'Calls to Clari that had to be made once more';
comment on column clari.product_fetch.wait_seconds is 'Seconds from acceptance to the job''s end';
comment on column clari.product_fetch.slot_wait_seconds is 'Seconds waited for a free slot before Clari accepted it';
comment on column clari.product_fetch.result_bytes is 'Size of the document';
comment on column clari.product_fetch.result_sha256 is 'Its SHA-256';
comment on column clari.product_fetch.landing_path is 'Its folder below landing/products';
comment on column clari.product_fetch.rows_truncated is 'Clari says that the document is incomplete';
comment on column clari.product_fetch.rows_exported is 'Records counted in the document';
comment on column clari.product_fetch.rows_staged is 'Records after duplicates were merged';
comment on column clari.product_fetch.rows_inserted is 'Records that were new';
comment on column clari.product_fetch.rows_updated is 'Records that changed';
comment on column clari.product_fetch.rows_unchanged is 'Records that were known already';
comment on column clari.product_fetch.error is 'Why it was not merged';
comment on column clari.product_fetch.error_kind is 'What kind of error kept it from coming, such as AuthFailed or QuotaExhausted';
comment on column clari.product_fetch.is_adopted is 'Clari''s answer was lost, and this job was found in its place: its document may be of other days than these, so they are asked for again';
comment on column clari.product_fetch.started_by is 'Who started the sync: schedule (Dagster''s schedule, or a command without a terminal, as cron runs it) or person (a terminal, or Dagster''s page); null before this was kept';
