-- Grain: one row an export, period, person and forecast field: the call as that export knew it.
create or replace temp table forecast_call (
    job_id varchar,
    time_period_id varchar,
    user_id varchar,
    field_id varchar,
    call_value decimal(18, 4),
    is_submitted boolean,
    is_present boolean,
    currency_code varchar,
    adjustment_value decimal(18, 4),
    crm_total decimal(18, 4),
    crm_closed decimal(18, 4)
);
