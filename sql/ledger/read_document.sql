-- What was counted in the document, before any of it is merged.
update clari.export_job
set
    types_to_export = $types_to_export,
    export_format = $export_format,
    scope_id = $scope_id,
    rows_exported = $rows_exported,
    rows_staged = $rows_staged,
    document_period_id = $document_period_id,
    call_time_frame_id = $call_time_frame_id,
    quota_fields = $quota_fields
where request_id = $request_id;
