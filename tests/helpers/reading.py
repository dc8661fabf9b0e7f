"""A reader in a loop: opens what is published, queries it, closes it. Imports nothing of the pipeline.

    python reading.py FOLDER ENOUGH

reads until the file FOLDER/enough is there, and ENOUGH times at least; prints what it saw as JSON.
"""

import json
import os
import sys
from pathlib import Path

import duckdb

# Where ledger, entries and marts do not agree, there is a row.
DISAGREEMENTS = """
with newest as (
    select forecast_id, time_period_id, rows_staged, exported_at
    from clari.export_job
    where state = 'LOADED'
    qualify row_number() over (
        partition by forecast_id, time_period_id order by exported_at desc, submitted_at desc
    ) = 1
),
shown as (
    select forecast_id, time_period_id, count(*) as entries, max(last_seen_at) as seen_at
    from clari.forecast_entry
    where in_latest_export
    group by all
),
called as (
    select forecast_id, time_period_id, max(as_of) as as_of from clari.forecast_vs_quota group by all
),
made as (
    select forecast_id, time_period_id, sum(jobs_submitted) as jobs from clari.pipeline_health group by all
),
kept as (
    select forecast_id, time_period_id, count(*) as jobs from clari.export_job group by all
)
select *
from newest
full join shown using (forecast_id, time_period_id)
full join called using (forecast_id, time_period_id)
full join made using (forecast_id, time_period_id)
full join kept using (forecast_id, time_period_id)
where (entries, seen_at, as_of, made.jobs) is distinct from (rows_staged, exported_at, exported_at, kept.jobs)
"""
TOTALS = """
select (select sum(forecast_value) from clari.forecast_entry), (select sum(quota_value) from clari.forecast_vs_quota)
"""


def opened(copy: Path) -> duckdb.DuckDBPyConnection:
    """The copy, opened once more where it was replaced between two of DuckDB's openings of it, as the README says."""
    inode = copy.stat().st_ino
    try:
        return duckdb.connect(copy, read_only=True, config={"threads": "1"})
    except duckdb.Error:
        if copy.stat().st_ino == inode:
            raise
        return duckdb.connect(copy, read_only=True, config={"threads": "1"})


def look(folder: Path, files: duckdb.DuckDBPyConnection) -> tuple[str, list[str]]:
    """Which state is published, and what of it does not agree."""
    with opened(folder / "warehouse-read.duckdb") as connection:
        totals = connection.execute(TOTALS).fetchone()
        (jobs,) = connection.execute("select max(loaded_at)::varchar from clari.export_job").fetchone() or ("",)
        disagreeing = [repr(row) for row in connection.execute(DISAGREEMENTS).fetchall()]
    if totals is None or None in totals:
        disagreeing.append(f"{totals}")
    for mart in sorted((folder / "marts").glob("*.parquet")):
        files.execute("select count(*) from read_parquet(?)", [str(mart)])
    return f"{jobs} {totals}", disagreeing


def main(folder: Path, enough: int) -> None:
    os.nice(10)  # who writes is to be the faster one
    reads, states, disagreeing = 0, set(), []
    files = duckdb.connect(config={"threads": "1"})
    while reads < enough or not (folder / "enough").exists():
        state, found = look(folder, files)
        states.add(state)
        disagreeing += found
        reads += 1
    print(json.dumps({"reads": reads, "states": len(states), "disagreeing": disagreeing}))  # noqa: T201 - for who started it


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
