-- version: 1, words: 1-8a8739c6
-- Grain: one row: which version of the tables this warehouse has, so that they are not made each time.
create table if not exists clari.warehouse_version (schema_sha256 varchar not null);

comment on table clari.warehouse_version is 'One row: which version of the tables this warehouse has';
comment on column clari.warehouse_version.schema_sha256 is 'SHA-256 of the versions that a release gives its tables, each by its name; earlier releases wrote others';
