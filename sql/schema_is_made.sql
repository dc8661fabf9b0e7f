-- The tables stand as this release defines them.
delete from clari.warehouse_version;

insert into clari.warehouse_version (schema_sha256) values ($schema_sha256);
