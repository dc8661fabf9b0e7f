"""The engines of the warehouse, DuckDB, PostgreSQL and Snowflake, and running the statements of `sql/` on them."""
