"""The command line on an instance of several workers: its runs stand there like the daemon's."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from clari_pipeline.config.settings import read_settings
from clari_pipeline.defs.run_retention import RunRetention
from tests.helpers.fleet import database_of_its_own, home_of
from tests.helpers.terminal import Terminal


def test_sync_and_status_work_with_dagsters_runs_in_postgresql(
    address: str, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sync` and `status`, with DAGSTER_HOME at the deployment's settings and nothing of SQLite. Of two syncs that are
    old, retention leaves the newest.
    """
    (tmp_path / "elsewhere").mkdir()
    home = home_of(tmp_path / "elsewhere")
    with database_of_its_own(address) as storage:
        for name, value in (storage | {"DAGSTER_HOME": str(home)}).items():
            monkeypatch.setenv(name, value)
        for _ in range(2):
            answer = terminal.with_dagster("sync", "--last", "1")
            assert answer.code == 0, answer.err
        assert "LOADED" in terminal("status").out
        with dg.DagsterInstance.get() as instance:
            runs = instance.get_runs()
            retention = RunRetention(instance, read_settings(), datetime.now(UTC) + timedelta(days=100))
            assert (retention.delete(), retention.delete()) == (2, 0)
            assert instance.get_runs() == runs[:2]  # the newest first
            assert not instance.all_logs(runs[3].run_id)
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert [run.job_name for run in runs] == ["refresh_marts", "sync_quarter"] * 2
    assert not list(home.rglob("*.db"))
