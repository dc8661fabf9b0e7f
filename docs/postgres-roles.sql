-- Two roles for the warehouse in PostgreSQL, to be run once by the database's administrator:
--   psql DATABASE -f docs/postgres-roles.sql, then \password clari_writer and \password clari_reader in psql.
-- clari_writer is the pipeline's and owns schema clari, nothing else. clari_reader is for people and their tools: it
-- reads every table there, the later ones included, and changes none.
create role clari_writer login;
create role clari_reader login;

create schema clari authorization clari_writer;

grant usage on schema clari to clari_reader;
alter default privileges for role clari_writer in schema clari grant select on tables to clari_reader;

-- Where the database was closed to everybody: a merge needs temporary tables.
do $$ begin
    execute format('grant connect, temporary on database %I to clari_writer', current_database());
    execute format('grant connect on database %I to clari_reader', current_database());
end $$;
