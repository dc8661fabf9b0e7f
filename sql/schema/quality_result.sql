-- version: 2, words: 2-c38857d9
create table if not exists clari.quality_result (
    rule_name varchar not null,
    run_id varchar not null,
    table_name varchar,
    expectation_type varchar,
    column_name varchar,
    passed boolean not null,
    severity varchar not null,
    evidence json,
    checked_at timestamptz not null,
    source varchar not null
);

comment on table clari.quality_result is 'One row per rule of one''s own and run: what Great Expectations says of a table, judged after the marts';
comment on column clari.quality_result.rule_name is 'Name of the rule; of a suite file that cannot be read, the file';
comment on column clari.quality_result.run_id is 'The sync, replay or Dagster run that judged it';
comment on column clari.quality_result.table_name is 'The table or mart that it is on';
comment on column clari.quality_result.expectation_type is 'Great Expectations'' name of what is expected';
comment on column clari.quality_result.column_name is 'The column or columns that it names, separated by commas';
comment on column clari.quality_result.passed is 'False: it is broken, or it could not be judged, which the evidence says';
comment on column clari.quality_result.severity is 'ERROR or WARN, as the rule says: neither keeps anything out of the tables; WARN where it could not be judged';
comment on column clari.quality_result.evidence is 'What was expected, what was found, and the first rows that break it';
comment on column clari.quality_result.checked_at is 'When it was judged';
comment on column clari.quality_result.source is 'The file that the rule is in';
