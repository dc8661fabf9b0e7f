"""The benchmarks' own parts: documents that the pipeline loads to the cent, and tables. No timing is asserted."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from tests.benchmarks import bare, with_dlt
from tests.benchmarks.documents import FIELDS, WEEKS, write_document, write_entries_alone
from tests.benchmarks.parts import QUARTER, Row, markdown
from tests.benchmarks.processes import Cost, best_of
from tests.helpers import postgres_server

ENTRIES = 2_000


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A document, and its entries alone beside it."""
    file = tmp_path / "document.json"
    write_document(file, ENTRIES)
    write_entries_alone(file, tmp_path / "alone.json")
    return file


def read(file: Path) -> Any:
    return json.loads(file.read_text(), parse_float=Decimal)


def expected(document: Path, *names: str) -> tuple[Any, ...]:
    """How many entries there are, and the sums of these amounts."""
    entries = read(document)["entries"]
    return (ENTRIES, *(sum(entry[name] for entry in entries) for name in names))


def loaded(database: Path, table: str, column: str) -> tuple[Any, ...]:
    with duckdb.connect(str(database), read_only=True) as connection:
        count, total = connection.execute(f"select count(*), sum({column}) from {table}").fetchall()[0]
        return count, round(Decimal(total), 2)


def test_the_pipeline_and_the_bare_work_load_every_entry_to_the_cent(document, terminal):
    answer = terminal("replay", "--document", str(document), "--forecast", "total_new", "--period", QUARTER, "--json")
    assert answer.code == 0, answer.err
    totals = "count(*), sum(forecast_value), sum(quota_value), sum(crm_total), sum(crm_closed)"
    sums = expected(document, "forecastValue", "quotaValue", "crmTotal", "crmClosed")
    assert terminal.query(f"select {totals} from clari.forecast_entry") == [sums]
    alone = document.with_name("alone.json")
    assert read(alone) == read(document)["entries"]
    bare.load(str(alone), str(document.with_name("bare.duckdb")))
    assert loaded(document.with_name("bare.duckdb"), "entry", "forecastValue") == sums[:2]


def test_the_bare_work_on_postgres_loads_the_entries_alone(document):
    with postgres_server.database(postgres_server.shared()) as url:
        bare.load_on_postgres(str(document.with_name("alone.json")), url)
        with psycopg.connect(url) as connection:
            found = connection.execute('select count(*), sum("forecastValue") from entry').fetchone()
    assert found == expected(document, "forecastValue")


@pytest.mark.parametrize("feed", ["entries", "arrow"])
def test_dlt_loads_the_same_twice(document, tmp_path, monkeypatch, feed):
    pytest.importorskip("dlt", reason="make bench installs it")
    monkeypatch.setattr(with_dlt, "_CORES", 1)
    for _ in range(2):
        with_dlt.load(str(document), str(tmp_path), feed)
        database = tmp_path / "dlt.duckdb"
        assert loaded(database, "clari.forecast_entry", "forecast_value") == expected(document, "forecastValue")


def test_a_document_has_every_person_field_and_week_once(document):
    found = read(document)
    entries = found["entries"]
    keys = {(entry["userId"], entry["fieldId"], entry["timeFrameId"]) for entry in entries}
    people = -(-ENTRIES // (WEEKS * len(FIELDS)))
    sizes = {"entries": ENTRIES, "fields": len(FIELDS), "users": people, "timePeriods": 1, "timeFrames": WEEKS}
    assert len(keys) == ENTRIES
    assert {name: len(rows) for name, rows in found.items()} == sizes
    assert {entry["userId"] for entry in entries} == {person["userId"] for person in found["users"]}
    assert 320 < document.stat().st_size / ENTRIES < 340


def test_the_same_seed_writes_the_same_bytes_but_for_the_share_that_is_to_change(document, tmp_path):
    again = tmp_path / "again.json"
    write_document(again, ENTRIES)
    assert again.read_bytes() == document.read_bytes()
    write_document(again, ENTRIES, seed=3)
    assert again.read_bytes() != document.read_bytes()
    write_document(again, ENTRIES, changed_share=0.1)
    changed = again.read_bytes()
    write_document(again, ENTRIES, changed_share=0.1)
    assert again.read_bytes() == changed
    before, after = (read(file)["entries"] for file in (document, again))
    moved = [new["forecastValue"] - old["forecastValue"] for old, new in zip(before, after, strict=True)]
    assert set(moved) == {Decimal(0), Decimal(1234)}
    assert 0.08 < moved.count(Decimal(1234)) / ENTRIES < 0.12


def test_the_table_shows_seconds_ratios_aims_and_memory():
    bare_cost, replay = Cost(0.5, 0.8, 200), Cost(1.5, 2.5, 1612.4)
    lines = markdown([Row("replay", replay, bare_cost, "4 ×"), Row("status", replay), Row("dlt: failed")]).splitlines()
    assert lines[2:] == [
        "| replay | 1.50 | 2.50 | 3.0 × | 4 × | 1,612 |",
        "| status | 1.50 | 2.50 |  |  | 1,612 |",
        "| dlt: failed |  |  |  |  |  |",
    ]
    assert {line.count("|") for line in lines} == {7}


def test_what_takes_long_is_not_repeated():
    def best(*seconds: float) -> float:
        left = iter(seconds)
        return best_of(3, lambda: Cost(next(left), 1, 1)).seconds

    assert best(9, 7, 8) == 7
    assert best(90) == 90
