#!/usr/bin/env bash
# Dagster 1.13.27 with its own SQLite storages: `DagsterInstance.delete_run` deletes a run's row and its events. The run's own
# file of events, `history/runs/RUN_ID.db`, stays, emptied and no smaller. The results of asset checks that the run reported
# stay as rows of `asset_check_executions` in `history/runs/index.db`.
#
# Who deletes old runs to win room on disk meets it: the number of files is what it was, and the rows of checks go on growing.
#
# Expected before it was run: that nothing of the run is left. Seen: as above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27
cd "$folder"
mkdir home && printf 'telemetry:\n  enabled: false\n' > home/dagster.yaml
DAGSTER_HOME=$PWD/home venv/bin/python - <<'PYTHON' 2>/dev/null
import sqlite3
from pathlib import Path

import dagster as dg


@dg.asset(check_specs=[dg.AssetCheckSpec("whole", asset="calls")])
def calls():
    yield dg.Output(1)
    yield dg.AssetCheckResult(passed=True)


history = Path("home/history/runs")
with dg.DagsterInstance.get() as instance:
    run_id = dg.materialize([calls], instance=instance).run_id
    file = history / f"{run_id}.db"
    size = file.stat().st_size
    instance.delete_run(run_id)
    assert instance.get_run_by_id(run_id) is None
    assert file.exists() and file.stat().st_size >= size
    assert sqlite3.connect(file).execute("select count(*) from event_logs").fetchone() == (0,)
    checks = sqlite3.connect(history / "index.db").execute("select run_id from asset_check_executions").fetchall()
    assert checks == [(run_id,)], checks
print("as described")
PYTHON
