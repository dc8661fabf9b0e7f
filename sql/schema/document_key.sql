-- version: 2, words: 2-7924d01c
-- Grain: one row per forecast and path: of the merged documents that hold the key. Rebuilt documents give the same rows.
create or replace view clari.document_key as
with shown as (
    select forecast_id, contract, min(exported_at) as first_seen_at, max(exported_at) as last_seen_at
    from clari.export_job
    where state in ('LOADED', 'RETIRED') and contract is not null
    group by forecast_id, contract
),

key_kind as (
    select
        known.forecast_id, known.path, known.kind,
        min(shown.first_seen_at) as first_seen_at,
        max(shown.last_seen_at) as last_seen_at,
        bool_or(known.is_known) as is_known
    from clari.document_contract as known
    inner join shown on shown.forecast_id = known.forecast_id and shown.contract = known.contract
    group by known.forecast_id, known.path, known.kind
),

ranked as (
    select
        *,
        row_number() over (
            partition by forecast_id, path
            order by case when kind = 'null' then 1 else 0 end, last_seen_at desc, kind
        ) as place
    from key_kind
)

select
    forecast_id, path,
    string_agg(kind, ', ' order by kind) as kind,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at,
    max(case when place = 1 then kind end) as example_kind,
    bool_or(is_known) as is_known
from ranked
where place = 1 or kind <> 'null'
group by forecast_id, path;

comment on view clari.document_key is 'One row per forecast and key of its merged documents: where it stands, of which kind its values are, since when';
comment on column clari.document_key.forecast_id is 'Clari''s forecast (the tab)';
comment on column clari.document_key.path is 'The key: users, entries[].forecastValue; of a CSV a column, or a word of Data Type';
comment on column clari.document_key.kind is 'The kinds of value that it had, comma-separated: number, text, boolean, object, list; null where it never had a value';
comment on column clari.document_key.first_seen_at is 'exported_at of the export that first had it';
comment on column clari.document_key.last_seen_at is 'exported_at of the export that last had it';
comment on column clari.document_key.example_kind is 'The kind of its value in the newest document that has one';
comment on column clari.document_key.is_known is 'Whether the pipeline reads it: what is not known stays in the landed document alone';
