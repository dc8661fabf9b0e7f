-- version: 1, words: 1-d00dca51
-- Grain: one row, or none where CLARI_ENV was never set: the environment whose figures stand here.
create table if not exists clari.warehouse_environment (env varchar not null);

comment on table clari.warehouse_environment is 'One row: the environment that this warehouse belongs to; none where it was never named';
comment on column clari.warehouse_environment.env is 'dev, staging or prod, as CLARI_ENV named it';
