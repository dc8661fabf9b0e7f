select schema_sha256 from clari.warehouse_version;
