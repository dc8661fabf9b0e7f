-- Grain: one row: which version of the tables this warehouse has, so that they are not made each time.
create table if not exists clari.warehouse_version (schema_sha256 varchar not null);

comment on table clari.warehouse_version is 'One row: which version of the tables this warehouse has';
comment on column clari.warehouse_version.schema_sha256 is 'The version that a release gives its tables; earlier releases wrote a hash of their statements';
