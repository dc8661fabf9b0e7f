-- Polls, calls made once more, and seconds waited for a free slot, on top of those known.
update clari.export_job
set
    poll_count = coalesce(poll_count, 0) + $polls,
    retry_count = coalesce(retry_count, 0) + $retries,
    slot_wait_seconds = coalesce(slot_wait_seconds, 0) + $slot_seconds
where request_id = $request_id;
