select forecast_id, quarter_id, made_of from clari.mart_version;
