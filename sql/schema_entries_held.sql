-- How many tables hold the entries under the name of the view that shows them: one where a release before it made them.
select count(*) as held
from information_schema.tables
where lower(table_schema) = 'clari' and lower(table_name) = 'forecast_entry' and table_type = 'BASE TABLE';
