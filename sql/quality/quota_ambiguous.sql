-- Grain: one row a period whose quota stands on several fields, none of them named, and where some field needs it.
select quota_field.time_period_id, quota_field.field_ids
from quota_field
where
    quota_field.field_id is null
    and exists (
        select 1
        from measure_field
        where measure_field.time_period_id = quota_field.time_period_id and measure_field.quota_field_id is null
    )
order by quota_field.time_period_id;
