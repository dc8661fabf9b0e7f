-- Two roles for the warehouse in PostgreSQL, to be run by the database's administrator, once in each database; again does
-- no harm, and gives the writer what an administrator's sync has made:
--   psql DATABASE -f docs/postgres-roles.sql, then \password clari_writer and \password clari_reader in psql.
-- clari_writer is the pipeline's and owns schema clari, nothing else. clari_reader is for people and their tools: it
-- reads every table there, the later ones included, and changes none. Both may connect to other databases where those
-- are open to everybody, as PostgreSQL makes them: revoke connect on database ... from public closes one.
do $$ declare
    wanted text;
begin
    foreach wanted in array array['clari_writer', 'clari_reader'] loop
        if to_regrole(wanted) is null then
            execute format('create role %I login', wanted);
        end if;
    end loop;
    -- Who is no superuser gives things only to a role that he belongs to.
    if not pg_has_role('clari_writer', 'usage') then
        execute format('grant clari_writer to %I', current_user);
    end if;
end $$;

create schema if not exists clari authorization clari_writer;
alter schema clari owner to clari_writer;

do $$ declare
    change text;
begin
    for change in
        select format('alter table %s owner to clari_writer', oid::regclass)
        from pg_class
        where relnamespace = 'clari'::regnamespace and relkind in ('r', 'p', 'v', 'm')
            and relowner <> 'clari_writer'::regrole
        union all
        select format('alter routine %s owner to clari_writer', oid::regprocedure)
        from pg_proc
        where pronamespace = 'clari'::regnamespace and proowner <> 'clari_writer'::regrole
    loop
        execute change;
    end loop;
end $$;

grant usage on schema clari to clari_reader;
grant select on all tables in schema clari to clari_reader;
alter default privileges for role clari_writer in schema clari grant select on tables to clari_reader;

-- Where the database was closed to everybody: a merge needs temporary tables.
do $$ begin
    execute format('grant connect, temporary on database %I to clari_writer', current_database());
    execute format('grant connect on database %I to clari_reader', current_database());
end $$;
