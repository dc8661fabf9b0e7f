"""A run that was killed is told by the one that goes on in its place, whoever started that, and once."""

from typing import Any

import pytest

from tests.helpers.daemon import CURRENT, Daemon
from tests.helpers.listeners import WebListener
from tests.helpers.terminal import Terminal


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


def test_a_killed_run_is_alerted_by_the_next(terminal: Terminal, hook: WebListener) -> None:
    """One that somebody stopped at the keyboard is not: who did it knows."""
    terminal.begin_after("sync", "--last", "1")
    leave_behind(terminal, "stopped", is_stopped=True)
    leave_behind(terminal, "killed")
    assert terminal("sync", "--last", "1").code == 0
    ((severity, _, body, _),) = failed_runs(terminal)
    assert (severity, body.startswith("1 earlier run ended early")) == ("P2", True)
    (message,) = hook.documents
    assert "killed" in message["message"]
    assert not [file for file in (terminal.folder / "data/runs").iterdir() if file.is_file()]


def test_the_daemons_next_run_alerts_a_killed_run_once(terminal: Terminal, daemon: Daemon, hook: WebListener) -> None:
    """Two quarters go on after it, and only one message comes; a run that was stopped by hand is no news."""
    leave_behind(terminal, "stopped", is_stopped=True)
    leave_behind(terminal, "killed")
    for quarter in (CURRENT, CURRENT.shifted(-1)):
        daemon.sync(quarter)
        daemon.tick_sensors()
    assert len(hook.received) == 1
    assert "A run was killed" in hook.documents[0]["message"]
    ((severity, title, body, is_sent),) = failed_runs(terminal)
    assert (severity, title, is_sent) == ("P2", "A run was killed", True)
    assert body.startswith("1 earlier run ended early")


@pytest.mark.parametrize("sensor_first", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_a_killed_run_of_the_daemons_own_is_alerted_once(
    sensor_first: bool, terminal: Terminal, daemon: Daemon, hook: WebListener
) -> None:
    """Its monitoring marks it as failed, and the next run finds it dead: whichever comes first tells."""
    leave_behind(terminal, daemon.die())
    if sensor_first:
        daemon.tick_sensors()
    daemon.sync()
    daemon.tick_sensors()
    daemon.tick_sensors()
    assert len(hook.received) == 1
    assert [row[1] for row in failed_runs(terminal)] == [
        f"The run of {CURRENT} failed" if sensor_first else "A run was killed"
    ]


@pytest.mark.soak
@pytest.mark.parametrize("who", ["the command", "the daemon"])
def test_another_kill_is_alerted_a_day_after_the_last_alert(
    terminal: Terminal, daemon: Daemon, hook: WebListener, who: str
) -> None:
    """Whoever goes on in its place."""
    for number in range(3):
        leave_behind(terminal, f"killed-{number}")
        if who == "the daemon":
            daemon.sync()
            daemon.tick_sensors()
        else:
            assert terminal("sync", "--last", "1").code == 0
        if number == 1:
            terminal.execute("update clari.alert set created_at = created_at - interval 25 hour")
    assert len(hook.received) == 2
