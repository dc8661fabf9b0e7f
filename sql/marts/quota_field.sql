-- Grain: one row per period of the quarter: the field that carries its quota as known at a moment, of those that the newest
-- export with a quota in any of them showed, and exports of a scope since then. A field that is named is the only one;
-- null where it carries none, or where several do and none is named.
create or replace temp table quota_field as
with known as (
    select distinct entry.time_period_id, entry.field_id, field.field_name
    from clari.forecast_entry_history as entry
    left join clari.forecast_field as field using (forecast_id, field_id)
    where
        entry.forecast_id = $forecast_id
        and entry.time_period_id in (select time_period_id from clari.time_period where quarter_id = $quarter_id)
        and entry.valid_from <= $as_of
        and (entry.valid_to > $as_of or entry.valid_to is null)
        and entry.is_present
        and entry.quota_value is not null
),

shown as (
    select
        known.time_period_id, known.field_id,
        export.exported_at = max(export.exported_at) over (
            partition by known.time_period_id, coalesce(export.scope_id, '')
        )
        and export.exported_at >= coalesce(
            max(case when export.scope_id is null then export.exported_at end) over (partition by known.time_period_id),
            export.exported_at
        ) as is_newest
    from known
    inner join clari.export_job as export
        on
            export.forecast_id = $forecast_id
            and export.time_period_id = $quarter_id
            and export.state = 'LOADED'
            and export.exported_at <= $as_of
            and strpos(export.quota_fields, chr(10) || known.field_id || chr(10)) > 0
),

-- Of documents that an earlier release has read, nobody knows.
carrier as (
    select known.time_period_id, known.field_id, known.field_name
    from known
    left join (
        select time_period_id, field_id, bool_or(is_newest) as is_newest
        from shown
        group by time_period_id, field_id
    ) as candidate
        on candidate.time_period_id = known.time_period_id and candidate.field_id = known.field_id
    left join (select distinct time_period_id from shown) as told on told.time_period_id = known.time_period_id
    where candidate.is_newest or told.time_period_id is null
)

select
    time_period_id,
    count(*) as carriers,
    case
        when cast($quota_field as varchar) is not null then
            case
                when count(*) filter (where $quota_field in (field_id, field_name)) = 1
                    then min(field_id) filter (where $quota_field in (field_id, field_name))
            end
        when count(*) = 1 then min(field_id)
        when count(*) filter (where lower(field_name) = 'quota') = 1
            then min(field_id) filter (where lower(field_name) = 'quota')
    end as field_id,
    array_agg(field_id order by field_id) as field_ids
from carrier
group by time_period_id;
