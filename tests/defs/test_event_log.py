"""The log of a run begins as Dagster would begin it, without reading its migrations each time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg

from clari_pipeline.core.project import project_file


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job(executor_def=dg.in_process_executor)
def empty() -> None:
    """A run with a log."""
    nothing()


def tables_of_a_run(home: Path, settings: str) -> list[tuple[Any, ...]]:
    """What the file of a run's log holds beside the log itself: tables, indexes, the revision of both."""
    home.mkdir()
    (home / "dagster.yaml").write_text(settings, encoding="utf-8")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = empty.execute_in_process(instance=instance)
        assert run.success
    with closing(sqlite3.connect(home / "history/runs" / f"{run.run_id}.db")) as log:
        tables = log.execute("select type, name, sql from sqlite_master where name not like 'sqlite%' order by name")
        revision = log.execute("select 'revision', version_num, '' from alembic_version")
        mode = log.execute("select 'mode', journal_mode, '' from pragma_journal_mode")
        return [*tables.fetchall(), *revision.fetchall(), *mode.fetchall()]


def test_a_runs_log_has_the_tables_that_dagster_gives_it(tmp_path: Path, monkeypatch: Any) -> None:
    """Those of Dagster's own storage, which `dagster.yaml` would name if it named none."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "ours"))
    ours = tables_of_a_run(tmp_path / "ours", project_file("dagster_home/dagster.yaml").read_text(encoding="utf-8"))
    assert ours == tables_of_a_run(tmp_path / "dagsters", "telemetry:\n  enabled: false\n")
    assert len(ours) > 5
