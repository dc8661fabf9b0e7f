-- version: 2, words: 2-fac5d4ff
create table if not exists clari.export_check (
    request_id varchar not null,
    check_name varchar not null,
    passed boolean not null,
    severity varchar not null,
    evidence json,
    checked_at timestamptz not null
);

comment on table clari.export_check is 'One row per export and check: the gate''s verdicts, judged once';
comment on column clari.export_check.request_id is 'The export judged';
comment on column clari.export_check.check_name is 'Name of the check';
comment on column clari.export_check.passed is 'Its verdict';
comment on column clari.export_check.severity is 'ERROR keeps an export out of the tables; WARN does not';
comment on column clari.export_check.evidence is 'What was expected, what came, which keys';
comment on column clari.export_check.checked_at is 'When it was judged';
