-- Runs of which it is written down that they, or an export of theirs, failed; that a run found others killed says
-- nothing of itself.
select distinct run_id
from clari.alert
where
    list_contains($run_ids, run_id)
    and kind in ('run_failed', 'export_failed')
    and alert_class <> 'run_failed killed';
