-- Exports that Clari has been asked for, and that have neither landed nor failed, the newest first.
select *
from clari.export_job
where state in ('SUBMITTING', 'SUBMITTED')
order by submitted_at desc, attempt desc;
