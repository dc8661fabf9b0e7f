-- Grain: one row per table or view, and one a column of it: what it says of itself, by the name that it has in a Parquet
-- file's metadata.
select 'description' as name, comment
from duckdb_tables()
where database_name = current_database() and schema_name = 'clari' and table_name = $table_name and comment is not null
union all
select 'description', comment
from duckdb_views()
where database_name = current_database() and schema_name = 'clari' and view_name = $table_name and comment is not null
union all
select 'description.' || column_name, comment
from duckdb_columns()
where database_name = current_database() and schema_name = 'clari' and table_name = $table_name and comment is not null;
