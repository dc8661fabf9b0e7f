-- Grain: one row a period whose quota stands on several fields, none of them named.
select time_period_id, field_ids from quota_field where field_id is null order by time_period_id;
