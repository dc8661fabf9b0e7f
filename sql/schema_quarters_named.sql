-- An earlier release stored quarters and their months alone, and rows without quarter_id: their period has it.
update clari.forecast_entry_state as held
set quarter_id = period.quarter_id
from clari.time_period as period
where held.quarter_id is null and period.time_period_id = held.time_period_id;

update clari.forecast_entry_history as held
set quarter_id = period.quarter_id
from clari.time_period as period
where held.quarter_id is null and period.time_period_id = held.time_period_id;

update clari.forecast_entry_sighting as held
set quarter_id = period.quarter_id
from clari.time_period as period
where held.quarter_id is null and period.time_period_id = held.time_period_id;

update clari.forecast_time_frame as held
set quarter_id = period.quarter_id
from clari.time_period as period
where held.quarter_id is null and period.time_period_id = held.time_period_id;

update clari.time_frame as held
set quarter_id = period.quarter_id
from clari.time_period as period
where held.quarter_id is null and period.time_period_id = held.time_period_id;
