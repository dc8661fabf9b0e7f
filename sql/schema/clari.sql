-- The schema that every table lives in.
create schema if not exists clari;
