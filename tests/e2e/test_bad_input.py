"""Wrong words and wrong settings: one line that names cause and remedy, the right exit code, nothing half-written."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from clari_pipeline.clari import Retry
from clari_pipeline.config.settings import read_settings
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.loading import Loader
from clari_pipeline.sync.outcomes import outcomes_of
from clari_pipeline.sync.replaying import Replay
from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse
from clari_pipeline.warehouse.errors import WarehouseLocked
from tests.helpers.direct_steps import exported
from tests.helpers.each_case import try_each
from tests.helpers.holding import held_by_another_process
from tests.helpers.terminal import Terminal

WRONG: dict[str, tuple[dict[str, str | None], list[str], str]] = {
    "no key": ({"CLARI_API_KEY": None}, ["sync"], "CLARI_API_KEY"),
    "no forecast": ({"CLARI_FORECAST_IDS": None}, ["sync"], "CLARI_FORECAST_IDS"),
    "a quarter that is none": ({}, ["sync", "--period", "2026-Q5"], "2026_Q4"),
    "a fifth quarter": ({}, ["sync", "--period", "2026_Q5"], "YYYY_QN"),
    "an unknown type": ({"CLARI_TYPES_TO_EXPORT": "forecast,quota,crm_closed,stars"}, ["sync"], "stars"),
    "a required type left out": ({"CLARI_TYPES_TO_EXPORT": "forecast,quota"}, ["sync"], "crm_closed"),
    "a number that is none": ({"CLARI_EXPORT_TIMEOUT_S": "soon"}, ["sync"], "CLARI_EXPORT_TIMEOUT_S"),
    "an address in clear text": ({"CLARI_BASE_URL": "http://api.clari.com/v4"}, ["sync"], "https"),
    "a warehouse that is a folder": ({"CLARI_WAREHOUSE_URL": "duckdb:///."}, ["sync"], "CLARI_WAREHOUSE_URL"),
    "a warehouse below a file": ({"CLARI_WAREHOUSE_URL": "duckdb:///file/w.duckdb"}, ["sync"], "CLARI_WAREHOUSE_URL"),
    "a warehouse of another kind": ({"CLARI_WAREHOUSE_URL": "mysql://x/y"}, ["sync"], "CLARI_WAREHOUSE_URL"),
    "a landing folder below a file": ({"CLARI_DATA_DIR": "file/data"}, ["sync"], "CLARI_DATA_DIR"),
    "a cron line that is none": ({"CLARI_SYNC_CRON": "daily"}, ["sync"], "CLARI_SYNC_CRON"),
    "a time zone that is none": ({"CLARI_TIMEZONE": "Mars/Olympus"}, ["sync"], "CLARI_TIMEZONE"),
    "an unknown command": ({}, ["synch"], "synch"),
    "an unknown option": ({}, ["sync", "--all"], "--all"),
    "two ways to name quarters": ({}, ["sync", "--last", "2", "--period", "2026_Q4"], "--last"),
    "a scenario without its sandbox": ({}, ["sync", "--scenario", "swings"], "--sandbox"),
    "more quarters than there are": ({}, ["sync", "--last", "9000"], "--last"),
    "an unknown scenario": ({}, ["sync", "--sandbox", "--scenario", "doom"], "doom"),
    "a document of no quarter": ({}, ["replay", "--document", "file", "--forecast", "x"], "--period"),
    "a document that is not there": (
        {},
        ["replay", "--document", "none.json", "--forecast", "x", "--period", "2026_Q4"],
        "none.json",
    ),
    "a document without a landing folder": (
        {"CLARI_DATA_DIR": "file/data"},
        ["replay", "--document", "file", "--forecast", "x", "--period", "2026_Q4"],
        "CLARI_DATA_DIR",
    ),
    "a moment that is none": (
        {},
        ["replay", "--document", "file", "--forecast", "x", "--period", "2026_Q4", "--exported-at", "noon"],
        "--exported-at",
    ),
}


def test_a_document_that_could_not_be_merged_is_not_landed(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    (terminal.folder / "q4.json").write_text('{"entries": []}')
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", "duckdb:///.")
    answer = terminal("replay", "--document", "q4.json", "--forecast", "total_new", "--period", "2026_Q4")
    assert answer.code == 2, answer.err
    assert not [file for file in (terminal.folder / "data").rglob("*") if file.is_file()]


def test_a_document_as_of_a_moment_at_which_nobody_can_have_exported_it_is_refused(terminal: Terminal) -> None:
    """Ahead of the clock, or long before the quarter; said by the option or by the file's modification time."""
    file = terminal.folder / "q4.json"
    file.write_text('{"entries": []}')
    ahead, before = datetime(2999, 1, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)
    words = ("replay", "--document", "q4.json", "--forecast", "total_new", "--period", "2026_Q4")

    def check(case: tuple[bool, datetime, str]) -> None:
        is_said, moment, reason = case
        os.utime(file, (moment.timestamp(), moment.timestamp()))
        answer = terminal(*words, *(["--exported-at", moment.isoformat()] if is_said else []))
        assert answer.code == 2, answer.err
        assert all(part in answer.err for part in ("--exported-at", moment.isoformat(), reason))
        assert not list((terminal.folder / "data" / "landing").rglob("manifest.json"))

    try_each(
        [
            (True, ahead, "still to come"),
            (False, ahead, "still to come"),
            (True, before, "from 2026-09-15 on"),
            (False, before, "from 2026-09-15 on"),
        ],
        check,
    )


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_one_line_and_exit_code_two(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Found before anything is asked of Clari, with the setting or option to mend."""
    settings, words, named = WRONG[case]
    (terminal.folder / "file").write_text("not a folder")
    for name, value in settings.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    answer = terminal(*words)
    assert answer.code == 2
    assert answer.out == ""
    (line,) = answer.err.strip().splitlines()
    assert named in line
    assert sandbox.api_key not in line
    assert not sandbox.requests
    assert not (terminal.folder / "data/warehouse.duckdb").exists() or not terminal.query("from clari.export_job")


def test_a_locked_warehouse_names_the_process_that_holds_it(tmp_path: Path) -> None:
    """After waiting, the message says which process to close."""
    file = tmp_path / "warehouse.duckdb"
    with (
        held_by_another_process(file) as holder,
        pytest.raises(WarehouseLocked, match=f"process {holder.pid}"),
        DuckWarehouse(file, lock_timeout_s=0.2).session(),
    ):
        pass


def test_a_lock_that_is_given_up_is_waited_for(tmp_path: Path) -> None:
    """Another program's short work is no failure."""
    file = tmp_path / "warehouse.duckdb"
    with held_by_another_process(file) as holder:
        with pytest.raises(duckdb.IOException):
            duckdb.connect(file)
        assert holder.stdin is not None
        holder.stdin.close()
        with DuckWarehouse(file, lock_timeout_s=60).session() as session:
            assert session.documents.execute("select count(*) from clari.export_job").fetchall() == [(0,)]


def test_eight_failures_in_a_row_are_ridden_out(terminal: Terminal, sandbox: Sandbox) -> None:
    """429, 500, a proxy's page and a reset, mixed: the export is merged, and one was made; the waits are cut short."""
    for call in ("limits", "status", "results"):
        sandbox.fail_next(call, ["429:0", "500", "502", "reset", "503", "429:0", "502", "reset"])
    context = Context.of(read_settings())
    quarter = context.current_quarters()[0]
    retry = replace(Retry(), first_wait_s=0.001, max_wait_s=0.002)
    asked = exported(context, [quarter], ["total_new"], retry=retry)
    Loader(context).merge_landed(str(quarter))
    assert [outcome.export.state for outcome in outcomes_of(context.warehouse, asked)] == ["LOADED"]
    submitted = [request for request in sandbox.requests if request.method == "POST"]
    assert len(submitted) == 1


def test_what_comes_in_place_of_a_document_or_in_part_is_that_exports_own_trouble(
    terminal: Terminal, sandbox: Sandbox
) -> None:
    """An error with status 200 is FAILED with Clari's words, and lands nowhere; four CSVs of other lengths, of which
    nothing shows the end, are one that is refused, and is so after a restart; the forecast beside them is merged.
    """
    context = Context.of(read_settings())
    quarter = context.current_quarters()[0]
    head = "User,Email,CRM User ID,Role,Parent Role,Timeframe,Field,Week,Start Day,End Day,Data Type,Data Value\n"
    week = "CRO,,Q4 FY 2026,Commit,1,10/01/2026,10/07/2026,Forecast Value,$940.25\n"
    lines = "".join(f"Ann,ann{number}@x.example,00{number},{week}" for number in range(60))
    envelope = f'{{"errors": [{{"code": "E1", "message": "No report for {sandbox.api_key}"}}]}}'
    sandbox.serve("cut off", str(quarter), (head + lines).encode(), "CSV")
    sandbox.serve("error", str(quarter), envelope.encode())
    retry = Retry(attempts=2, first_wait_s=0.001, max_wait_s=0.002)
    sandbox.fail_next("results", [f"unsized_cut:{share}" for share in (0.5, 0.7, 0.6, 0.4)])
    asked = []
    for forecasts in (["cut off"], ["error", "new_business"]):
        asked += exported(context, [quarter], forecasts, retry=retry, run_id=f"run of {forecasts}")
    Loader(context).merge_landed(str(quarter))
    came = {outcome.export.forecast_id: outcome.export for outcome in outcomes_of(context.warehouse, asked)}
    assert {name: export.state for name, export in came.items()} == {
        "cut off": "REFUSED",
        "error": "FAILED",
        "new_business": "LOADED",
    }
    assert came["cut off"].error.startswith("export_is_complete: ")
    assert "Clari answered 200: No report for ***, in place of the document" in came["error"].error
    assert came["error"].error_kind == "ErrorAsDocument"
    assert not [document for document in context.landing if document.manifest["forecast_id"] == "error"]
    Replay(Context.of(read_settings())).documents([], [])
    assert [outcome.export.state for outcome in outcomes_of(context.warehouse, asked[:1])] == ["REFUSED"]


def test_every_command_has_help_with_an_example(terminal: Terminal) -> None:
    """`--help` of each command ends with something to type."""
    commands = [line.split()[0] for line in terminal("--help").out.split("Commands:")[1].strip().splitlines()]
    assert {"sync", "replay", "status", "sandbox"} <= set(commands)
    for command in ("sync", "replay", "status", "sandbox"):
        answer = terminal(command, "--help")
        assert answer.code == 0
        assert f"Example: clari-pipeline {command}" in answer.out
