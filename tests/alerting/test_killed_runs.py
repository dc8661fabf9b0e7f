"""A run that was killed is told by the one that goes on in its place, whoever started that, and once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import duckdb
import pytest

from clari_pipeline.periods import FiscalCalendar
from clari_pipeline.settings import point_dagster_at, read_settings
from tests.alerting.conftest import WebListener
from tests.helpers.beginnings import begin_after
from tests.helpers.sensors import definitions_of, sensor_tick
from tests.helpers.terminal import Terminal

CURRENT = FiscalCalendar(1).quarter_of(datetime.now(UTC).date())
SENSORS = ("alerts_after_success", "alerts_after_failure")


class Daemon:
    """Runs quarters as Dagster's daemon does, and lets its sensors look."""

    def __init__(self, instance: dg.DagsterInstance, cursors: dict[str, str | None]) -> None:
        self.instance = instance
        self.cursors = cursors
        self._job = definitions_of(read_settings()).resolve_job_def("sync_quarter")

    def sync(self, quarter: Any = CURRENT) -> dg.ExecuteInProcessResult:
        """One run of a quarter."""
        return self._job.execute_in_process(instance=self.instance, partition_key=str(quarter))

    def die(self) -> str:
        """A run whose machine went down in its midst, as the daemon's monitoring marks it; its id."""
        run = self.instance.create_run_for_job(self._job, tags={"dagster/partition": str(CURRENT)})
        self.instance.report_run_failed(run, "the run's process is gone")
        return run.run_id

    def look(self) -> None:
        """The sensors look once."""
        self.cursors = {name: sensor_tick(self.instance, name, cursor) for name, cursor in self.cursors.items()}


@pytest.fixture
def daemon(terminal: Terminal, hook: WebListener) -> Any:
    """A daemon over an instance in which the quarter was synced once, and nothing was to be told."""
    point_dagster_at(read_settings())

    def sync_once() -> dict[str, str | None]:
        with dg.DagsterInstance.get() as instance:
            running = Daemon(instance, dict.fromkeys(SENSORS))
            running.look()
            running.sync()
            running.look()
        assert hook.received == []
        return running.cursors

    cursors = begin_after("daemon synced", sync_once, folder=terminal.folder)
    with dg.DagsterInstance.get() as instance:
        yield Daemon(instance, cursors)


def leave_behind(terminal: Terminal, run_id: str, *, is_stopped: bool = False) -> None:
    """What a dead run leaves: a lock that nobody holds."""
    runs = terminal.folder / "data/runs"
    (runs / f"{run_id}.lock").touch()
    if is_stopped:
        (runs / f"{run_id}.stopped").touch()


def failed_runs(terminal: Terminal) -> list[tuple[Any, ...]]:
    return terminal.query(
        "select severity, title, body, sent_at is not null from clari.alert where kind = 'run_failed'"
    )


def test_a_run_that_was_killed_is_told_by_the_next(terminal: Terminal, hook: WebListener) -> None:
    """One that somebody stopped at the keyboard is not: who did it knows."""
    terminal.begin_after("sync", "--last", "1")
    leave_behind(terminal, "stopped", is_stopped=True)
    assert terminal("sync", "--last", "1").code == 0
    assert hook.received == []
    leave_behind(terminal, "killed")
    assert terminal("sync", "--last", "1").code == 0
    assert [row[0] for row in failed_runs(terminal)] == ["P2"]
    assert "killed" in hook.documents[0]["message"]
    assert not [file for file in (terminal.folder / "data/runs").iterdir() if file.is_file()]


def test_the_daemons_next_run_tells_it_too_and_once(terminal: Terminal, daemon: Daemon, hook: WebListener) -> None:
    """Two quarters go on after it, and only one message comes; a run that was stopped by hand is no news."""
    leave_behind(terminal, "stopped", is_stopped=True)
    daemon.sync()
    daemon.look()
    assert hook.received == []
    leave_behind(terminal, "killed")
    for quarter in (CURRENT, CURRENT.shifted(-1)):
        daemon.sync(quarter)
        daemon.look()
    assert len(hook.received) == 1
    assert "A run was killed" in hook.documents[0]["message"]
    ((severity, title, body, is_sent),) = failed_runs(terminal)
    assert (severity, title, is_sent) == ("P2", "A run was killed", True)
    assert body.startswith("1 earlier run ended before the end")


@pytest.mark.parametrize("sensor_first", [True, False])
def test_a_run_of_the_daemons_own_that_was_killed_is_told_once(
    sensor_first: bool, terminal: Terminal, daemon: Daemon, hook: WebListener
) -> None:
    """Its monitoring marks it as failed, and the next run finds it dead: whichever comes first tells."""
    leave_behind(terminal, daemon.die())
    if sensor_first:
        daemon.look()
    daemon.sync()
    daemon.look()
    daemon.look()
    assert len(hook.received) == 1
    assert [row[1] for row in failed_runs(terminal)] == [
        f"The run of {CURRENT} failed" if sensor_first else "A run was killed"
    ]


def test_another_kill_is_told_when_the_last_was_told_a_day_ago(
    terminal: Terminal, daemon: Daemon, hook: WebListener
) -> None:
    for number in range(3):
        leave_behind(terminal, f"killed-{number}")
        daemon.sync()
        daemon.look()
        if number == 1:
            with duckdb.connect(str(terminal.folder / "data/warehouse.duckdb")) as connection:
                connection.execute("update clari.alert set created_at = created_at - $by", {"by": timedelta(hours=25)})
    assert len(hook.received) == 2
