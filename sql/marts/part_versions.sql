select mart, forecast_id, quarter_id, part, made_of from clari.mart_part_version;
