-- One row a field of a long CSV: sum and count of each measure. A line that stands twice counts once.
-- What is read here in another way than the rows were differs from them, and is counted anew, letter by letter.
with line as (
    select distinct
        coalesce(nullif("Email", ''), "CRM User ID") as who,
        "Role" as role,
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
        case when regexp_matches(written, '^[^0-9]*[\p{Pd}\x{02D7}\x{2052}\x{207B}\x{208B}\x{2212}\x{2796}(]') then -1 else 1 end
        -- Three digits behind a point, and not more than three before it: thousands, it may be.
        * case
            when not regexp_matches(written, '(^|[^0-9.,])[1-9][0-9]{0,2}[.][0-9]{3}([^0-9]|$)')
                then try_cast(replace(regexp_extract(written, '[0-9.][0-9.,]*'), ',', '') as decimal(18, 4))
        end as amount
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
