-- Types that Clari does not give leave the request, and are remembered beside it.
update clari.export_job
set
    types_to_export = array_to_string(
        list_sort(list_filter(string_split(types_to_export, ','), lambda kind: not list_contains($types, kind))), ','
    ),
    types_refused = array_to_string($types, ',')
where request_id = $request_id;
