-- An export that a run left behind belongs to the run that goes on with it.
update clari.export_job set run_id = $run_id where request_id = $request_id;
