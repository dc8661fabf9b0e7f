-- One row, the one field of a flat document's array of entries: sum and count of each measure. Amounts come by way of
-- a binary fraction: fifteen digits are exact, and more differ from what is staged.
select
    'forecast' as field_id,
    sum(entry."forecastAmount") as forecast_value_total,
    count(entry."forecastAmount") as forecast_value_count,
    sum(entry."quotaAmount") as quota_value_total,
    count(entry."quotaAmount") as quota_value_count,
    sum(entry."adjustmentAmount") as adjustment_value_total,
    count(entry."adjustmentAmount") as adjustment_value_count,
    sum(entry."crmTotal") as crm_total_total,
    count(entry."crmTotal") as crm_total_count,
    sum(entry."crmClosed") as crm_closed_total,
    count(entry."crmClosed") as crm_closed_count
from
    read_json(
        $file,
        format = 'array',
        columns = {
            "forecastAmount": 'decimal(18, 4)',
            "quotaAmount": 'decimal(18, 4)',
            "adjustmentAmount": 'decimal(18, 4)',
            "crmTotal": 'decimal(18, 4)',
            "crmClosed": 'decimal(18, 4)'
        }
    ) as entry
having count(*) > 0;
