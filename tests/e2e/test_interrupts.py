"""Ctrl-C in the middle of a sync, as a person at a terminal presses it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clari_pipeline import commands
from clari_pipeline.events import Hooks, Merged
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.settings import read_settings
from tests.helpers.house import document, entry
from tests.helpers.terminal import Terminal

# Whoever runs the tests in the background ignores SIGINT, and so would a process that is started by it.
_HEARS_CTRL_C = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from clari_pipeline.cli import main; main()"
)


def test_ctrl_c_stops_the_sync_and_says_what_comes_of_it(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, exit code 1, no traceback; the job stays in the ledger for the next sync."""
    with Sandbox(scenario="hung", job_seconds=0.02, people=12) as hung:
        monkeypatch.setenv("CLARI_BASE_URL", hung.base_url)
        monkeypatch.setenv("CLARI_API_KEY", hung.api_key)
        with subprocess.Popen(
            [sys.executable, "-c", _HEARS_CTRL_C, "sync", "--last", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stderr is not None
            assert any("accepted as job" in line for line in running.stderr)
            while sum("/export/jobs/" in request.path for request in list(hung.requests)) < 20:
                assert running.poll() is None
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (1, "")
    assert "interrupted: run again" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert terminal.query("select state from clari.export_job") == [("SUBMITTED",)]


@pytest.mark.soak
def test_ctrl_c_between_two_quarters_stops_there(terminal: Terminal, sandbox: Sandbox) -> None:
    """What is being merged is finished; the other quarter has landed, and waits for the next sync."""

    def press_ctrl_c(event: object) -> None:
        if isinstance(event, Merged):
            os.kill(os.getpid(), signal.SIGINT)

    hooks = Hooks()
    hooks.add(press_ctrl_c)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            commands.sync(
                read_settings(), quarters=[], forecasts=(), last=2, as_json=True, is_sandbox=False, hooks=hooks
            )
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(terminal.query("select state from clari.export_job")) == [("LANDED",), ("LOADED",)]
    assert terminal("sync", "--last", "2").code == 0
    assert terminal.query("select distinct state from clari.export_job") == [("LOADED",)]
    assert [request.method for request in sandbox.requests].count("POST") == 2


_PRESSES_CTRL_C_ONCE_IT_HAS_LANDED = """
import os, signal, threading
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
def press():
    while not list(Path("data/landing").glob("total_new/*/*/manifest.json")):
        threading.Event().wait(0.002)  # the processor is for the command
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press, daemon=True).start()
from clari_pipeline.cli import main
main()
"""


def test_ctrl_c_lets_a_document_be_merged_that_has_landed(terminal: Terminal) -> None:
    """One line, exit code 1; what was begun is whole, and the same command does the rest."""
    Path("q4.json").write_text(json.dumps(document(*(entry(f"u{number}", call=number) for number in range(3000)))))
    words = ["replay", "--document", "q4.json", "--forecast", "total_new", "--period", "2026_Q4"]
    done = subprocess.run(
        [sys.executable, "-c", _PRESSES_CTRL_C_ONCE_IT_HAS_LANDED, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    stopping, *_, interrupted = done.stderr.splitlines()
    assert "stopping once the quarter at hand is merged" in stopping
    assert "interrupted: run again" in interrupted
    assert "Traceback" not in done.stderr
    assert terminal.query("select state from clari.export_job") in ([], [("LANDED",)], [("LOADED",)])
    assert terminal(*words).code == 0
    assert terminal.query("select count(*), sum(forecast_value) from clari.forecast_entry") == [(3000, 4498500)]
    assert terminal.query("select count(*) > 0 from clari.forecast_vs_quota") == [(True,)]
