-- version: 2, words: 2-7097df5a
create table if not exists clari.mart_part_version (
    mart varchar not null,
    forecast_id varchar not null,
    quarter_id varchar not null,
    part varchar not null,
    made_of varchar not null
);

comment on table clari.mart_part_version is 'One row per weekly table, forecast, quarter and part (a week, or all of it) whose rows stand: what they were built from, so that only what has changed is rebuilt';
comment on column clari.mart_part_version.mart is 'forecast_call_week or forecast_movement';
comment on column clari.mart_part_version.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.mart_part_version.quarter_id is 'The quarter that the exports were asked for';
comment on column clari.mart_part_version.part is 'The week''s time_frame_id, with its first day where several weeks of the quarter have the same; empty for the whole quarter';
comment on column clari.mart_part_version.made_of is 'SHA-256 of the exports, weeks, rules and statements that the rows depend on; after it, for calls, what they are as of';
