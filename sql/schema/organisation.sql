-- version: 1, words: 1-c7de4889
-- Grain: one row, or none before the marts were first made: what decides which day it is.
create table if not exists clari.organisation (time_zone varchar not null);

comment on table clari.organisation is 'One row: what the newest run knew of the organisation; none before the first';
comment on column clari.organisation.time_zone is 'CLARI_ORG_TIMEZONE: a day begins there at midnight';
