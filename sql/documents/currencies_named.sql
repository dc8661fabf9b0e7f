-- The staged entries' signs of money as the codes that are known of them.
create or replace temp table stage_entry as
select entry.* replace (coalesce(named.code, entry.currency_code) as currency_code)
from stage_entry as entry
left join currency_named as named
    on
        named.user_id is not distinct from entry.user_id
        and named.field_id is not distinct from entry.field_id
        and named.sign = entry.currency_code;
