-- One row a field of a long CSV: sum and count of each measure. A line that stands twice counts once.
with line as (
    select distinct
        coalesce(nullif("Email", ''), "CRM User ID") as who,
        "Timeframe" as period,
        ltrim(trim("Week"), '0') as week,
        nullif("Field", '') as field_id,
        "Data Type" as measure,
        trim("Data Value") as written
    from read_csv($file, header = true, delim = ',', quote = '"', escape = '"', all_varchar = true)
),

amount as (
    select
        field_id,
        measure,
        case when regexp_matches(written, '[-(]') then -1 else 1 end
        * try_cast(replace(regexp_extract(written, '[0-9.][0-9.,]*'), ',', '') as decimal(18, 4)) as amount
    from line
)

select
    field_id,
    sum(amount) filter (where measure = 'Forecast Value') as forecast_value_total,
    count(amount) filter (where measure = 'Forecast Value') as forecast_value_count,
    sum(amount) filter (where measure = 'Quota Value') as quota_value_total,
    count(amount) filter (where measure = 'Quota Value') as quota_value_count,
    sum(amount) filter (where measure = 'Adjustment Value') as adjustment_value_total,
    count(amount) filter (where measure = 'Adjustment Value') as adjustment_value_count,
    sum(amount) filter (where measure = 'CRM Total') as crm_total_total,
    count(amount) filter (where measure = 'CRM Total') as crm_total_count,
    sum(amount) filter (where measure = 'CRM Closed') as crm_closed_total,
    count(amount) filter (where measure = 'CRM Closed') as crm_closed_count
from amount
group by field_id;
