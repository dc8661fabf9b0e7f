-- One row: the fields that carry a quota, each between line breaks; null where none does.
select chr(10) || string_agg(field_id, chr(10) order by field_id) || chr(10) as quota_fields
from (select distinct field_id from stage_entry where quota_value is not null) as carrier;
