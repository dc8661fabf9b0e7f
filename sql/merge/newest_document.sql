-- What the newest loaded document of the quarter lists.
delete from clari.newest_document where forecast_id = $forecast_id and quarter_id = $quarter_id;

insert into clari.newest_document (forecast_id, quarter_id, job_id, read_by, lists)
values ($forecast_id, $quarter_id, $job_id, $read_by, $lists);
