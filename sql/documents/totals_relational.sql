-- One row a field of a relational document's array of entries: sum and count of each measure. Amounts come by way of
-- a binary fraction: fifteen digits are exact, and more differ from what is staged.
select
    nullif(entry."fieldId", '') as field_id,
    sum(entry."forecastValue") as forecast_value_total,
    count(entry."forecastValue") as forecast_value_count,
    sum(entry."quotaValue") as quota_value_total,
    count(entry."quotaValue") as quota_value_count,
    sum(entry."adjustmentValue") as adjustment_value_total,
    count(entry."adjustmentValue") as adjustment_value_count,
    sum(coalesce(entry."crmTotal", entry."aggregationTotal")) as crm_total_total,
    count(coalesce(entry."crmTotal", entry."aggregationTotal")) as crm_total_count,
    sum(entry."crmClosed") as crm_closed_total,
    count(entry."crmClosed") as crm_closed_count
from
    read_json(
        $file,
        format = 'array',
        columns = {
            "fieldId": 'varchar',
            "forecastValue": 'decimal(18, 4)',
            "quotaValue": 'decimal(18, 4)',
            "adjustmentValue": 'decimal(18, 4)',
            "crmTotal": 'decimal(18, 4)',
            "aggregationTotal": 'decimal(18, 4)',
            "crmClosed": 'decimal(18, 4)'
        }
    ) as entry
group by all;
