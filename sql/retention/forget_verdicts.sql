delete from clari.export_check where passed and list_contains($request_ids, request_id);
