-- So many polls, calls made once more, and seconds waited for a free slot, since the last time.
update clari.product_fetch
set
    poll_count = poll_count + $polls,
    retry_count = retry_count + $retries,
    slot_wait_seconds = slot_wait_seconds + $slot_seconds
where request_id = $request_id;
