-- version: 2, words: 2-0142acab
-- Grain: one row per forecast and quarter whose rows in forecast_vs_quota stand: made of what, so that they need not be
-- made anew each time.
create table if not exists clari.mart_version (
    forecast_id varchar not null,
    quarter_id varchar not null,
    made_of varchar not null
);

comment on table clari.mart_version is 'One row per forecast and quarter whose rows in forecast_vs_quota stand: what they were built from, so that only what has changed is rebuilt';
comment on column clari.mart_version.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.mart_version.quarter_id is 'The quarter that the export was asked for';
comment on column clari.mart_version.made_of is 'SHA-256 of the newest export''s id, the rules, the fields'' names and the statements';
