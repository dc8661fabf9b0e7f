"""The command line on an instance of several workers: its runs stand there like the daemon's."""

from pathlib import Path

import dagster as dg
import pytest

from tests.helpers.fleet import database_of_its_own, home_of
from tests.helpers.terminal import Terminal


@pytest.mark.parametrize(
    "sources", [(None,), pytest.param((None, "sandbox"), marks=pytest.mark.soak)], ids=["sync", "sync and sandbox"]
)
def test_sync_and_status_work_with_dagsters_runs_in_postgresql(
    sources: tuple[str | None, ...], address: str, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sync`, `sync --sandbox` and `status`, with DAGSTER_HOME at the deployment's settings and nothing of SQLite."""
    (tmp_path / "elsewhere").mkdir()
    home = home_of(tmp_path / "elsewhere")
    with database_of_its_own(address) as storage:
        for name, value in (storage | {"DAGSTER_HOME": str(home)}).items():
            monkeypatch.setenv(name, value)
        for source in sources:
            answer = terminal.with_dagster("sync", *([] if source is None else [f"--{source}"]), "--last", "1")
            assert answer.code == 0, answer.err
        assert "LOADED" in terminal("status").out
        with dg.DagsterInstance.get() as instance:
            runs = {(run.job_name, run.tags.get("clari/source")): run.status for run in instance.get_runs()}
    assert set(runs.values()) == {dg.DagsterRunStatus.SUCCESS}
    assert set(runs) == {(job, source) for job in ("sync_quarter", "refresh_marts") for source in sources}
    assert not list(home.rglob("*.db"))
