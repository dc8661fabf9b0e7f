-- The environment that the warehouse belongs to; no row where none was ever named.
select env from clari.warehouse_environment;
