-- An earlier release stored comparisons without names: they get those that stand now.
update clari.forecast_swing as held
set user_name = person.name
from clari.forecast_user as person
where held.user_name is null and person.forecast_id = held.forecast_id and person.user_id = held.user_id;

update clari.forecast_swing as held
set field_name = field.field_name
from clari.forecast_field as field
where held.field_name is null and field.forecast_id = held.forecast_id and field.field_id = held.field_id;

update clari.forecast_swing_summary as held
set field_name = field.field_name
from clari.forecast_field as field
where held.field_name is null and field.forecast_id = held.forecast_id and field.field_id = held.field_id;
