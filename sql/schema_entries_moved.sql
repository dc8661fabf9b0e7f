-- The table makes room for the view of its name; its rows stay where they are.
alter table clari.forecast_entry rename to forecast_entry_state;
