"""The benchmarks' own parts: documents that the pipeline loads to the cent, and tables. No timing is asserted."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from rich.console import Console

from tests.benchmarks import bare, bare_postgres, with_dlt
from tests.benchmarks.documents import FIELDS, WEEKS, write_document, write_entries_alone
from tests.benchmarks.parts import QUARTER
from tests.benchmarks.processes import Cost, best_of
from tests.benchmarks.table import Reach, Row, Size, show
from tests.helpers import postgres_server

ENTRIES = 2_000


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "document.json"
    write_document(file, ENTRIES)
    return file


def read(file: Path) -> Any:
    return json.loads(file.read_text(), parse_float=Decimal)


def test_the_pipeline_loads_every_entry_to_the_cent(document, terminal):
    answer = terminal("replay", "--document", str(document), "--forecast", "total_new", "--period", QUARTER, "--json")
    assert answer.code == 0, answer.err
    entries = read(document)["entries"]
    names = ("forecastValue", "quotaValue", "crmTotal", "crmClosed")
    totals = "count(*), sum(forecast_value), sum(quota_value), sum(crm_total), sum(crm_closed)"
    expected = (ENTRIES, *(sum(entry[name] for entry in entries) for name in names))
    assert terminal.query(f"select {totals} from clari.forecast_entry") == [expected]


def test_a_document_has_every_person_field_and_week_once(document):
    found = read(document)
    keys = {(entry["userId"], entry["fieldId"], entry["timeFrameId"]) for entry in found["entries"]}
    assert len(keys) == len(found["entries"]) == ENTRIES
    assert {name: len(rows) for name, rows in found.items()} == {
        "entries": ENTRIES,
        "fields": len(FIELDS),
        "users": -(-ENTRIES // (WEEKS * len(FIELDS))),
        "timePeriods": 1,
        "timeFrames": WEEKS,
    }
    assert {entry["userId"] for entry in found["entries"]} == {person["userId"] for person in found["users"]}
    assert 320 < document.stat().st_size / ENTRIES < 340


@pytest.mark.parametrize("more", [{}, {"changed_share": 0.01}])
def test_the_same_seed_writes_the_same_bytes(tmp_path, more):
    written = []
    for seed in (3, 3, 4):
        write_document(tmp_path / "document.json", ENTRIES, seed=seed, **more)
        written.append((tmp_path / "document.json").read_bytes())
    assert written[0] == written[1] != written[2]


def test_of_the_entries_the_share_that_was_asked_for_has_another_forecast_value(document, tmp_path):
    write_document(tmp_path / "changed.json", ENTRIES, changed_share=0.1)
    before, after = (read(file)["entries"] for file in (document, tmp_path / "changed.json"))
    moved = [new["forecastValue"] - old["forecastValue"] for old, new in zip(before, after, strict=True)]
    assert set(moved) == {Decimal(0), Decimal(1234)}
    assert 0.08 < moved.count(Decimal(1234)) / ENTRIES < 0.12


def test_the_bare_work_loads_the_entries_alone(document, tmp_path):
    write_entries_alone(document, tmp_path / "alone.json")
    assert read(tmp_path / "alone.json") == read(document)["entries"]
    bare.load(str(tmp_path / "alone.json"), str(tmp_path / "bare.duckdb"))
    assert totals(tmp_path / "bare.duckdb", "entry", "forecastValue") == (ENTRIES, forecast_total(document))


def test_the_bare_work_on_postgres_loads_the_entries_alone(document, tmp_path):
    write_entries_alone(document, tmp_path / "alone.json")
    query = 'select count(*), sum("forecastValue") from entry'
    with postgres_server.database(postgres_server.shared()) as url:
        bare_postgres.load(str(tmp_path / "alone.json"), url)
        with psycopg.connect(url) as connection:
            assert connection.execute(query).fetchone() == (ENTRIES, forecast_total(document))


@pytest.mark.parametrize("feed", ["entries", "arrow"])
def test_dlt_loads_the_same_twice(document, tmp_path, monkeypatch, feed):
    pytest.importorskip("dlt", reason="make bench installs it")
    monkeypatch.setattr(with_dlt, "_CORES", 1)
    for _ in range(2):
        with_dlt.load(str(document), str(tmp_path), feed)
        count, total = totals(tmp_path / "dlt.duckdb", "clari.forecast_entry", "forecast_value")
        assert (count, round(Decimal(total), 2)) == (ENTRIES, forecast_total(document))


def test_the_tables_show_seconds_ratios_reaches_and_memory():
    bare_cost, replay = Cost(0.5, 0.8, 200), Cost(1.5, 2.5, 612.4)
    rows = [
        Row("bare work", bare_cost, bare_cost),
        Row("replay", replay, bare_cost, [Reach("≤ 2 ×", False), Reach("≤ 900 MB", True), Reach("≤ 1 s", None)]),
        Row("DONE to download", reaches=[Reach("≤ 1 s", True)], seconds=0.25),
    ]
    text = shown(rows, [Size(1_000_000, 329.4, bare_cost, replay)])
    lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines()]
    assert ["replay", "1.50", "2.50", "3.0 ×", "≤ 2 × ✗, ≤ 900 MB ✓, ≤ 1 s", "612"] in lines
    assert ["DONE to download", "0.25", "", "", "≤ 1 s ✓", ""] in lines
    assert ["1,000,000", "329", "0.50", "1.50", "3.0 ×", "1.5", "200", "612"] in lines
    assert "two cores" in text


def test_what_takes_long_is_not_repeated():
    assert best_of(3, given(Cost(9, 1, 1), Cost(7, 1, 1), Cost(8, 1, 1))).seconds == 7
    assert best_of(3, given(Cost(90, 1, 1))).seconds == 90


def given(*costs: Cost) -> Callable[[], Cost]:
    left = iter(costs)
    return lambda: next(left)


def shown(rows: list[Row], sizes: list[Size]) -> str:
    out = StringIO()
    show(rows, sizes, about=["two cores"], console=Console(file=out, width=160))
    return out.getvalue()


def forecast_total(document: Path) -> Decimal:
    return sum((entry["forecastValue"] for entry in read(document)["entries"]), Decimal(0))


def totals(database: Path, table: str, column: str) -> tuple[int, Decimal]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(f"select count(*), sum({column}) from {table}").fetchall()[0]
