-- version: 2, words: 2-b882ad42
create table if not exists clari.document_contract (
    forecast_id varchar not null,
    contract varchar not null,
    shape varchar not null,
    path varchar not null,
    kind varchar not null,
    is_always boolean not null,
    is_known boolean not null
);

comment on table clari.document_contract is 'One row per forecast, fingerprint of a contract (export_job.contract), key and kind of value: what the merged documents with that fingerprint hold';
comment on column clari.document_contract.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.document_contract.contract is 'The fingerprint: 16 digits of the SHA-256 of the shape and the sorted paths and kinds';
comment on column clari.document_contract.shape is 'relational, flat or long_csv';
comment on column clari.document_contract.path is 'The key: users, entries[].forecastValue; of a CSV a column, or a word of Data Type';
comment on column clari.document_contract.kind is 'number, text, boolean, object or list; null where it has no value anywhere';
comment on column clari.document_contract.is_always is 'Whether each element of its list has the key, with a value or with null';
comment on column clari.document_contract.is_known is 'Whether the pipeline reads it';
