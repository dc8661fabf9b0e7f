-- Grain: one row per column of the warehouse's tables, in their order.
select table_name, column_name, lower(data_type) as data_type, comment
from duckdb_columns()
where schema_name = 'clari'
order by table_name, column_index;
