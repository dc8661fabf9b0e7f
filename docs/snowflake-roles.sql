-- Two roles for the warehouse in Snowflake, to be run once by an administrator, after FORECASTS and LOADING are replaced
-- by the names of your database and virtual warehouse; then grant each role to its users.
-- CLARI_WRITER is the pipeline's and owns schema CLARI, nothing else. CLARI_READER is for people and their tools: it
-- reads every table and view there, the later ones included, and changes none.
create role clari_writer;
create role clari_reader;

create schema forecasts.clari;
grant ownership on schema forecasts.clari to role clari_writer;
grant usage on database forecasts to role clari_writer;
grant usage on warehouse loading to role clari_writer;

grant usage on database forecasts to role clari_reader;
grant usage on schema forecasts.clari to role clari_reader;
grant usage on warehouse loading to role clari_reader;
grant select on future tables in schema forecasts.clari to role clari_reader;
grant select on future views in schema forecasts.clari to role clari_reader;

-- Where tables and views are there already:
grant select on all tables in schema forecasts.clari to role clari_reader;
grant select on all views in schema forecasts.clari to role clari_reader;
