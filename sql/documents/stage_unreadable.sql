-- Grain: one row a measure of a field that is left out: a calculated column, of which some cell says that there is no
-- number (NaN, N/A, #DIV/0!, a dash), or holds a share in percent. `cells` of it are no amounts.
create or replace temp table stage_left_out as
select field_id, measure, count(*) as cells, min(written) as written
from raw_unreadable
where
    regexp_full_match(
        lower(trim(written)),
        '[+-]?(nan|inf|infinity|∞)|n/?a|n[.]a[.]|#[a-z0-9/]+[!?]|#n/a|[-‐-―−]+|[(-]?[0-9]+([.,][0-9]+)*[)]? ?%'
    )
group by field_id, measure;

-- Grain: one row an amount that is none: not a number, or more than fourteen digits before the decimals.
create or replace temp table stage_unreadable as
select *
from raw_unreadable as unreadable
where
    not exists (
        select 1
        from stage_left_out as left_out
        where left_out.field_id is not distinct from unreadable.field_id and left_out.measure = unreadable.measure
    );

update stage_entry as entry
set
    forecast_value = case when not column_left_out.forecast_value then entry.forecast_value end,
    quota_value = case when not column_left_out.quota_value then entry.quota_value end,
    adjustment_value = case when not column_left_out.adjustment_value then entry.adjustment_value end,
    crm_total = case when not column_left_out.crm_total then entry.crm_total end,
    crm_closed = case when not column_left_out.crm_closed then entry.crm_closed end
from (
    select
        field_id,
        bool_or(measure = 'forecast_value') as forecast_value,
        bool_or(measure = 'quota_value') as quota_value,
        bool_or(measure = 'adjustment_value') as adjustment_value,
        bool_or(measure = 'crm_total') as crm_total,
        bool_or(measure = 'crm_closed') as crm_closed
    from stage_left_out
    group by field_id
) as column_left_out
where column_left_out.field_id = entry.field_id;
