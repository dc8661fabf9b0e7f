-- version: 2, words: 2-91d41a91
-- Grain: one row per reading of Clari's limits, whichever part of a sync took it: export_quota by the name that other
-- connectors give it.
create or replace view clari.api_limits as
select
    quota.run_id, quota.read_at, quota.concurrent_limit, quota.available_concurrent_limit, quota.monthly_quota,
    quota.available_monthly_quota, quota.running_jobs, quota.submitted_jobs
from clari.export_quota as quota;

comment on view clari.api_limits is 'One row per reading of Clari''s limits, whichever part of a sync took it';
comment on column clari.api_limits.run_id is 'The sync that asked';
comment on column clari.api_limits.read_at is 'When';
comment on column clari.api_limits.concurrent_limit is 'Exports that may run at once';
comment on column clari.api_limits.available_concurrent_limit is 'Those of them that were free';
comment on column clari.api_limits.monthly_quota is 'Exports that the organisation may make in a rolling 30 days; null where Clari does not say';
comment on column clari.api_limits.available_monthly_quota is 'Those of them that were left';
comment on column clari.api_limits.running_jobs is 'Export jobs of the organisation that ran, as many as Clari names';
comment on column clari.api_limits.submitted_jobs is 'Export jobs that counted against the quota, as many as Clari names';
