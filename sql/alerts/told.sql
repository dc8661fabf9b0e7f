update clari.export_job set told_at = $at where told_at is null and list_contains($request_ids, request_id);
