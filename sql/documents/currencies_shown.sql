-- Grain: one row a person, field and currency of the staged entries.
select distinct user_id, field_id, currency_code
from stage_entry
where currency_code is not null
order by user_id, field_id, currency_code;
