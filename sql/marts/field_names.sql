select field_id, field_name, field_type from clari.forecast_field where forecast_id = $forecast_id order by field_id;
