"""Wrong words and wrong settings: one line that names cause and remedy, the right exit code, nothing half-written."""

import os
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

DOCUMENT = "replay --document file --forecast x --period 2026_Q4"
# Of each: settings, what is typed, what the line names. What is said of each other value of a setting that is none
# is in tests/config/test_settings.py.
WRONG: dict[str, tuple[dict[str, str | None], str, str]] = {
    "no key": ({"CLARI_API_KEY": None}, "sync", "CLARI_API_KEY"),
    "no forecast": ({"CLARI_FORECAST_IDS": None}, "sync", "CLARI_FORECAST_IDS"),
    "a quarter that is none": ({}, "sync --period 2026-Q5", "2026_Q4"),
    "a fifth quarter": ({}, "sync --period 2026_Q5", "YYYY_QN"),
    "a number that is none": ({"CLARI_EXPORT_TIMEOUT_S": "soon"}, "sync", "CLARI_EXPORT_TIMEOUT_S"),
    "an unknown environment": ({"CLARI_ENV": "production"}, "sync", "CLARI_ENV: "),
    "an unknown product": (
        {"CLARI_PRODUCTS": "forecast,weather"},
        "sync",
        "CLARI_PRODUCTS: weather: no such product; there are forecast, limits, audit, activity",
    ),
    "a forecast of no forecasts": (
        {"CLARI_PRODUCTS": "limits"},
        "sync --forecast total_new",
        "forecast is not in CLARI_PRODUCTS",
    ),
    "a warehouse that is a folder": ({"CLARI_WAREHOUSE_URL": "duckdb:///."}, "sync", "CLARI_WAREHOUSE_URL"),
    "a warehouse below a file": ({"CLARI_WAREHOUSE_URL": "duckdb:///file/w.duckdb"}, "sync", "CLARI_WAREHOUSE_URL"),
    "a warehouse that the first sync would write over": (
        {"CLARI_WAREHOUSE_URL": "duckdb:///./data/warehouse-read.duckdb"},
        "sync",
        "CLARI_WAREHOUSE_URL names the file that the copy for readers goes to",
    ),
    "a landing folder below a file": ({"CLARI_DATA_DIR": "file/data"}, "sync", "CLARI_DATA_DIR"),
    "an unknown command": ({}, "synch", "synch"),
    "an unknown option": ({}, "sync --all", "--all"),
    "two ways to name quarters": ({}, "sync --last 2 --period 2026_Q4", "--last"),
    "a scenario without its sandbox": ({}, "sync --scenario swings", "--sandbox"),
    "more quarters than there are": ({}, "sync --last 9000", "--last"),
    "an unknown scenario": ({}, "sync --sandbox --scenario doom", "doom"),
    "a document of no quarter": ({}, "replay --document file --forecast x", "--period"),
    "a document that is not there": ({}, "replay --document no.json --forecast x --period 2026_Q4", "no.json"),
    "a document without a landing folder": ({"CLARI_DATA_DIR": "file/data"}, DOCUMENT, "CLARI_DATA_DIR"),
    "a document without a warehouse": ({"CLARI_WAREHOUSE_URL": "duckdb:///."}, DOCUMENT, "CLARI_WAREHOUSE_URL"),
    "an inbox that is not there": ({}, "replay --inbox nowhere --forecast x", "nowhere is no folder"),
    "an inbox that is a file": ({}, "replay --inbox file --forecast x", "file is no folder"),
    "an inbox of no forecast": ({}, "replay --inbox .", "--forecast"),
    "an inbox of two quarters": ({}, "replay --inbox . --forecast x --period 2026_Q4 --period 2026_Q3", "--period"),
    "an inbox and a document": ({}, "replay --inbox . --forecast x --document file", "--document"),
    "an inbox as of a moment": ({}, "replay --inbox . --forecast x --exported-at 2026-11-02", "--exported-at"),
    "an inbox without a warehouse": (
        {"CLARI_WAREHOUSE_URL": "duckdb:///."},
        "replay --inbox . --forecast x",
        "CLARI_WAREHOUSE_URL",
    ),
    "a moment that is none": ({}, f"{DOCUMENT} --exported-at noon", "--exported-at"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_one_line_and_exit_code_two(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Found before anything is asked of Clari, with the setting or option to mend; nothing lands."""
    settings, typed, named = WRONG[case]
    (terminal.folder / "file").write_text('{"entries": []}')
    for name, value in settings.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    answer = terminal(*typed.split())
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.strip().splitlines()
    assert named in line
    assert sandbox.api_key not in line
    assert not sandbox.requests
    assert not [file for file in (terminal.folder / "data/landing").rglob("*") if file.is_file()]
    assert not (terminal.folder / "data/warehouse-read.duckdb").exists()
    assert not (terminal.folder / "data/warehouse.duckdb").exists() or not terminal.query("from clari.export_job")


def test_a_document_as_of_a_moment_at_which_nobody_can_have_exported_it_is_refused(terminal: Terminal) -> None:
    """Ahead of the clock, or long before the quarter; said by the option or by the file's modification time."""
    file = terminal.folder / "file"
    file.write_text('{"entries": []}')

    def check(case: tuple[bool, datetime, str]) -> None:
        is_said, moment, reason = case
        os.utime(file, (moment.timestamp(), moment.timestamp()))
        answer = terminal(*DOCUMENT.split(), *(["--exported-at", moment.isoformat()] if is_said else []))
        assert answer.code == 2, answer.err
        assert all(part in answer.err for part in ("--exported-at", moment.isoformat(), reason))
        assert not list((terminal.folder / "data" / "landing").rglob("manifest.json"))

    ahead = (datetime(2999, 1, 1, tzinfo=UTC), "still to come")
    before = (datetime(2026, 9, 1, tzinfo=UTC), "from 2026-09-15 on")
    try_each([(is_said, *moment) for moment in (ahead, before) for is_said in (True, False)], check)


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
