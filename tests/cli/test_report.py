"""What a command prints: what was merged and what was not, causes once, swings as a table, quiet, lines in a file."""

import io
import os
import pty
import re
import subprocess
import sys
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from rich.cells import cell_len

from clari_pipeline.cli import reporting
from clari_pipeline.cli.progress import SyncProgress, announcing
from clari_pipeline.core.safe_text import PlainConsole
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.store.marts import Swing
from clari_pipeline.sync.events import Hooks
from clari_pipeline.sync.run import SyncResult
from tests.helpers.terminal import BEFORE, CURRENT, Terminal


def test_one_cause_is_said_once_with_the_quarters_that_it_concerns(terminal: Terminal, sandbox: Sandbox) -> None:
    """And quarters that failed do not stand under what was merged."""
    sandbox.scenario = "down"
    answer = terminal("sync", "--last", "3")
    assert answer.code == 1
    said = answer.out + answer.err
    assert said.count("is down") == 1
    (line,) = [line for line in answer.err.splitlines() if "is down" in line]
    assert all(str(CURRENT.shifted(-back)) in line for back in range(3))
    assert "What was merged" not in answer.out
    assert answer.out.count("FAILED") == 3


def test_a_refused_quarter_stands_apart_and_its_cause_is_said_once(terminal: Terminal, sandbox: Sandbox) -> None:
    sandbox.scenario = "echo"
    answer = terminal("sync", "--last", "2")
    merged, left = answer.out.split("What was not merged")
    assert "What was merged" in merged
    assert str(CURRENT) in merged
    assert str(BEFORE) not in merged
    assert str(BEFORE) in left
    assert (answer.out + answer.err).count("was asked for") == 1


def test_rows_that_look_alike_are_told_apart(terminal: Terminal, sandbox: Sandbox) -> None:
    """By their source, after a sync that went on without jobs."""
    terminal.begin_after("sync", "--last", "1")
    sandbox.scenario = "no_quota"
    out = terminal("sync", "--last", "1").out
    assert re.search(
        rf"What was merged.*{CURRENT} .*newest week.*What was not merged.*{CURRENT} .*export", out, re.DOTALL
    )


def test_nothing_is_printed_quietly_but_warnings_and_errors(terminal: Terminal, sandbox: Sandbox) -> None:
    answer = terminal("sync", "--last", "1", "--quiet")
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    assert terminal("replay", "-q").out == ""
    sandbox.scenario = "down"
    answer = terminal("sync", "--last", "1", "-q")
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (1, "", 1)


def _swing(name: str, field: str, quarter: str = "2026_Q4", **values: object) -> Swing:
    known = {"previous_value": Decimal("12345678.90"), "current_value": Decimal("98765432.10")}
    known |= {"change_amount": Decimal("86419753.20"), "change_pct": Decimal("7.0")} | values
    return Swing(
        forecast_id="total_new",
        baseline="sync",
        user_id="u1",
        user_name=name,
        time_period_id=quarter,
        field_id="f1",
        field_name=field,
        reason="above_threshold",
        **known,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("quarters", [("2026_Q4", "2026_Q4"), ("2026_Q4", "2026_Q3")])
def test_swings_are_a_table_that_fits_the_terminal(width: int, quarters: tuple[str, str]) -> None:
    """Person and field first; nothing is cut off, whatever the length of a name."""
    swings = [
        _swing("Maximiliane Elisabeth von und zu Hohenzollern-Sigmaringen", "Commit (all segments)", quarters[0]),
        _swing("張偉", "Best Case", quarters[1], change_pct=None),
    ]
    stream = io.StringIO()
    now = datetime(2026, 10, 1, tzinfo=UTC)
    result = SyncResult(run_id="r", started_at=now, finished_at=now, swings=swings)
    reporting.show_swings(PlainConsole(file=stream, width=width), result.swings)
    shown = stream.getvalue()
    lines = shown.splitlines()
    assert all(cell_len(line) <= width for line in lines)
    header = next(line for line in lines if "person" in line)
    assert header.split()[:2] == ["person", "field"]
    assert "…" not in shown
    for text in ("12,345,678.90", "98,765,432.10", "+700.0 %", "+86,419,753.20", "張偉", "Best Case"):
        assert text in shown
    assert ("quarter" in header) == (quarters[0] != quarters[1])


def test_lines_in_a_file_have_time_and_level(terminal: Terminal) -> None:
    """As a schedule's log has them; through a pipe they are as on a terminal."""
    words = [sys.executable, "-m", "clari_pipeline", "as-of", "2020-01-01", "--period", "2026_Q4"]
    terminal.begin_after("sync", "--last", "1")
    log = terminal.folder / "cron.log"
    with log.open("w") as stream:
        subprocess.run(words, stderr=stream, stdout=subprocess.DEVNULL, check=True, env=os.environ)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ WARNING clari-pipeline: nothing of these was known .*\n", log.read_text()
    )
    piped = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ).stderr
    assert piped.startswith("clari-pipeline: nothing of these was known ")


def test_a_terminal_shows_what_is_being_done(terminal: Terminal) -> None:
    """From a command's first step on, until its answer; the line that says it goes when that comes."""
    terminal.begin_after("sync", "--last", "1")
    ours, its = pty.openpty()
    words = [sys.executable, "-m", "clari_pipeline", "replay"]
    with subprocess.Popen(words, stderr=its, stdout=subprocess.DEVNULL, env=os.environ | {"TERM": "xterm"}) as running:
        os.close(its)
        said = _read_all(ours)
    assert running.returncode == 0, said
    assert all(step in said for step in ("Merging documents", "Publishing tables and marts to readers"))


def _read_all(terminal: int) -> str:
    read = b""
    with suppress(OSError):  # as a terminal ends once its last program has
        while piece := os.read(terminal, 1 << 16):
            read += piece
    os.close(terminal)
    return read.decode()


def test_a_sync_says_on_a_terminal_what_each_step_does() -> None:
    stream = io.StringIO()
    told: list[str] = []

    class Nothing:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: told.append(name)

    with SyncProgress(PlainConsole(file=stream, force_terminal=True, width=80), Hooks()) as progress:
        progress.doing("Opening the warehouse")

        def doing(what: str) -> None:
            told.append(what)
            progress.doing(what)

        opened: Any = announcing(lambda _settings: nullcontext(lambda *_: Nothing()), doing)  # type: ignore[arg-type, return-value]
        with opened(None) as make_steps:
            steps = make_steps(None, None, (), {})
            steps.sync_quarter(CURRENT)
            steps.refresh_marts()
            steps.sync_product("audit")
    assert told[2::2] == [
        f"Waiting for {CURRENT}, then checking and merging it",
        "Refreshing the marts, and publishing them to readers",
        "Fetching audit, then checking and merging it",
    ]
    assert told[3::2] == ["sync_quarter", "refresh_marts", "sync_product"]
    assert "Fetching audit" in stream.getvalue()
