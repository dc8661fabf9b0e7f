-- version: 2, words: 2-5b2a7238
-- Grain: one row per reading of Clari's limits: what a run was told before it asked for exports, or, of product limits, when
-- it looked at nothing else.
create table if not exists clari.export_quota (
    run_id varchar not null,
    read_at timestamptz not null,
    monthly_quota integer,
    available_monthly_quota integer,
    concurrent_limit integer,
    available_concurrent_limit integer,
    running_jobs integer,
    submitted_jobs integer
);

alter table clari.export_quota add column if not exists available_concurrent_limit integer;
alter table clari.export_quota add column if not exists running_jobs integer;
alter table clari.export_quota add column if not exists submitted_jobs integer;

comment on table clari.export_quota is 'One row per reading of Clari''s limits: what a run was told before it asked for exports, or, of product limits, when it looked at nothing else';
comment on column clari.export_quota.run_id is 'The sync that asked';
comment on column clari.export_quota.read_at is 'When';
comment on column clari.export_quota.monthly_quota is 'Exports that the organisation may make in a rolling 30 days; null where Clari does not say';
comment on column clari.export_quota.available_monthly_quota is 'Those of them that were left';
comment on column clari.export_quota.concurrent_limit is 'Exports that may run at once';
comment on column clari.export_quota.available_concurrent_limit is 'Those of them that were free';
comment on column clari.export_quota.running_jobs is 'Export jobs of the organisation that ran, as many as Clari names';
comment on column clari.export_quota.submitted_jobs is 'Export jobs that counted against the quota, as many as Clari names';
