-- Grain: one row: which definition of the tables this warehouse was made by, so that it is not made anew each time.
create table if not exists clari.warehouse_version (schema_sha256 varchar not null);

comment on table clari.warehouse_version is 'One row: which definition of the tables this warehouse was made by';
comment on column clari.warehouse_version.schema_sha256 is 'Of the statements that define schema clari; another release may have others';
