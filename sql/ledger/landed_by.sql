-- Exports of some runs of which a document has landed, merged or not, the newest first.
select *
from clari.export_job
where state in ('LANDED', 'LOADED', 'REFUSED') and list_contains($run_ids, run_id)
order by submitted_at desc, attempt desc;
