-- version: 2, words: 2-35e9e73d
-- Grain: one row per forecast and quarter: what its newest loaded document lists beside its entries, so that the same
-- document, when it comes again, need not be read.
create table if not exists clari.newest_document (
    forecast_id varchar not null,
    quarter_id varchar not null,
    job_id varchar not null,
    read_by varchar not null,
    lists blob not null
);

comment on table clari.newest_document is 'One row per forecast and quarter: what its newest loaded document lists beside its entries, so that the same document, when it comes again, need not be read';
comment on column clari.newest_document.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.newest_document.quarter_id is 'The quarter that the export was asked for';
comment on column clari.newest_document.job_id is 'The export that brought it';
comment on column clari.newest_document.read_by is 'Which reader made the rows, and in which fiscal calendar: another one reads the document again';
comment on column clari.newest_document.lists is 'Fields, periods, weeks and people as Arrow IPC streams, each after its length';
