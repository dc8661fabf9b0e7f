"""Ctrl-C in the middle of a sync, as a person at a terminal presses it."""

import json
import os
import signal
import threading
from pathlib import Path

import dagster as dg
import pytest

from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sync.events import Hooks, Merged
from tests.helpers import forked
from tests.helpers.direct_steps import sync
from tests.helpers.house import document, entry
from tests.helpers.terminal import Terminal


def _program(*words: str) -> int:
    """As in a terminal: whoever runs the tests in the background ignores SIGINT, and so would what is forked there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return forked.program(*words)


def test_ctrl_c_stops_the_sync_and_says_what_comes_of_it(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One line, exit code 1, no traceback; the job stays in the ledger for the next sync, and Dagster says Canceled."""
    with Sandbox(scenario="hung", job_seconds=0.02, people=12) as hung:
        monkeypatch.setenv("CLARI_BASE_URL", hung.base_url)
        monkeypatch.setenv("CLARI_API_KEY", hung.api_key)
        running = forked.begin(_program, "sync", "--last", "1", out=tmp_path / "out", err=tmp_path / "err")
        runs = terminal.folder / "dagster_home/history/runs"
        polls = 0
        while polls < 5 or not list(runs.glob("*-*.db")):  # a run has begun
            polls = sum("/export/jobs/" in request.path for request in list(hung.requests))
            assert running.is_alive()
            threading.Event().wait(0.002)  # the processor is for the command
        assert running.pid is not None
        os.kill(running.pid, signal.SIGINT)
        running.join(60)
    out, err = (tmp_path / "out").read_text(), (tmp_path / "err").read_text()
    assert (running.exitcode, out) == (1, "")
    assert "accepted as job" in err
    assert "interrupted: run again" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert terminal.query("select state from clari.export_job") == [("SUBMITTED",)]
    with dg.DagsterInstance.from_config(str(terminal.folder / "dagster_home")) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.CANCELED]


@pytest.mark.soak
def test_ctrl_c_between_two_quarters_stops_there(terminal: Terminal, sandbox: Sandbox) -> None:
    """What is being merged is finished; the other quarter has landed, and waits for the next sync."""

    def press_ctrl_c(event: object) -> None:
        if isinstance(event, Merged):
            os.kill(os.getpid(), signal.SIGINT)

    hooks = Hooks([press_ctrl_c])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            sync(hooks, 2, open_steps=None)
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(terminal.query("select state from clari.export_job")) == [("LANDED",), ("LOADED",)]
    assert terminal("sync", "--last", "2").code == 0
    assert terminal.query("select distinct state from clari.export_job") == [("LOADED",)]
    assert [request.method for request in sandbox.requests].count("POST") == 2


def _program_that_is_interrupted_once_a_document_has_landed(*words: str) -> int:
    def press() -> None:
        while not list(Path("data/landing").glob("total_new/*/*/manifest.json")):
            threading.Event().wait(0.002)  # the processor is for the command
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    return _program(*words)


def test_ctrl_c_lets_a_document_be_merged_that_has_landed(terminal: Terminal) -> None:
    """One line, exit code 1; what was begun is whole, and the same command does the rest."""
    Path("q4.json").write_text(json.dumps(document(*(entry(f"u{number}", call=number) for number in range(3000)))))
    words = ["replay", "--document", "q4.json", "--forecast", "total_new", "--period", "2026_Q4"]
    done = forked.run(_program_that_is_interrupted_once_a_document_has_landed, *words)
    assert (done.code, done.out) == (1, ""), done.err
    stopping, *_, interrupted = done.err.splitlines()
    assert "stopping once the quarter at hand is merged" in stopping
    assert "interrupted: run again" in interrupted
    assert "Traceback" not in done.err
    assert terminal.query("select state from clari.export_job") in ([], [("LANDED",)], [("LOADED",)])
    assert terminal(*words).code == 0
    assert terminal.query("select count(*), sum(forecast_value) from clari.forecast_entry") == [(3000, 4498500)]
    assert terminal.query("select count(*) > 0 from clari.forecast_vs_quota") == [(True,)]
