-- Exports whose swings, or whose refusal, nobody has looked at for alerts yet, the oldest first. Documents from elsewhere
-- are nobody's news.
select request_id
from clari.export_job
where
    state in ('LOADED', 'REFUSED')
    and told_at is null
    and submitted_at > $not_before
    and job_id not like 'document-%'
order by exported_at, submitted_at, request_id;
