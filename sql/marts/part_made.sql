delete from clari.mart_part_version
where mart = $mart and forecast_id = $forecast_id and quarter_id = $quarter_id and part = $part;

insert into clari.mart_part_version (mart, forecast_id, quarter_id, part, made_of)
values ($mart, $forecast_id, $quarter_id, $part, $made_of);
