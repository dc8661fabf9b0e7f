-- Grain: one row a reading of Clari's export quota: what a run was told before it asked for exports.
create table if not exists clari.export_quota (
    run_id varchar not null,
    read_at timestamptz not null,
    monthly_quota integer,
    available_monthly_quota integer,
    concurrent_limit integer
);

comment on table clari.export_quota is 'One row a reading of Clari''s export quota: what a run was told before it asked for exports';
comment on column clari.export_quota.run_id is 'The sync that asked';
comment on column clari.export_quota.read_at is 'When';
comment on column clari.export_quota.monthly_quota is 'Exports that the organisation may make in a rolling 30 days; null where Clari does not say';
comment on column clari.export_quota.available_monthly_quota is 'Those of them that were left';
comment on column clari.export_quota.concurrent_limit is 'Exports that may run at once';
