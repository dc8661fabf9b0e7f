"""Who opens the copy for readers: every DuckDB from 1.2 on, each in a folder of its own, and finds all of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from clari_pipeline.core.project import project_file
from clari_pipeline.ops import backup, restoring
from clari_pipeline.store.mart_registry import MARTS
from clari_pipeline.warehouse.catalogue import tables
from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse
from tests.helpers import opening, prepared
from tests.helpers.house import House, document, entry, moment, person
from tests.warehouse.test_new_file import catalogue

README = (project_file("sql").parent / "README.md").read_text(encoding="utf-8")
QUERIES = {
    **{table: f"select * from clari.{table}" for table in tables()},
    **{
        f"README {number}": query.strip().removesuffix(";")
        for number, query in enumerate(re.findall(r"^```sql\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL))
    },
    "columns": "select table_name, column_name, data_type, comment from duckdb_columns() where schema_name = 'clari'",
    "tables": "select table_name, comment from duckdb_tables() where schema_name = 'clari'",
    "views": "select view_name, comment from duckdb_views() where schema_name = 'clari'",
    "macros": "select function_name from duckdb_functions() where schema_name = 'clari'",
    "as of": "select * from clari.forecast_entry_as_of(timestamptz '2026-10-05 00:00:00+00')",
    "fraction": "select clari.fraction(1.5, 3)",
}


def another_duckdb(version: str) -> Path:
    """A folder with that release of DuckDB: installed once for this environment, and never into it."""
    folder = Path(sys.prefix) / "other-duckdbs" / version
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "duckdb").exists():
            words = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
            found = subprocess.run(
                [sys.executable, "-m", "pip", *words, "--target", str(folder), f"duckdb=={version}.*"],
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            if found.returncode:
                pytest.skip(f"DuckDB {version} cannot be had here: {found.stderr.strip().splitlines()[-1:]}")
    return folder


def answered_by(version: Path, file: Path) -> dict[str, Any]:
    """What the DuckDB in a folder answers."""
    found = subprocess.run(
        [sys.executable, opening.__file__, str(file)],
        input=json.dumps(QUERIES),
        env=os.environ | {"PYTHONPATH": str(version)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    found_there: dict[str, Any] = json.loads(found.stdout)
    return found_there


def answered_here(file: Path) -> dict[str, list[list[str | None]]]:
    """What this environment's DuckDB answers."""
    return opening.answers(str(file), QUERIES)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The copy of a warehouse in which every kind of thing stands; made once."""

    def make(folder: Path) -> None:
        fill(House(folder))

    return prepared.made_once("opening", make) / "warehouse-read.duckdb"


def fill(house: House) -> None:
    people = [person("zoë", role="top", parent=None), person("ann", role="", parent="top")]
    with house.held_open():
        for day, week, call in ((2, "W01", 100), (9, "W02", "1000.0001")):
            shown = (entry("ann", week, call=call, quota=500, closed="7.2500"), entry("zoë", week, call=10))
            house.bring(document(*shown, people=people), moment(10, day))
        house.refresh_marts()
    assert house.publish().is_new


@pytest.mark.parametrize(
    "version", ["1.2", *(pytest.param(version, marks=pytest.mark.soak) for version in ("1.3", "1.4", "1.5", "2.0"))]
)
def test_every_duckdb_opens_the_copy(published: Path, version: str) -> None:
    """Each table and view row by row, each description, the macros, and the README's queries."""
    here, there = answered_here(published), answered_by(another_duckdb(version), published)
    assert there["version"].startswith(f"{version}.")
    assert sum(map(len, here.values())) > 700
    assert here["README 1"]
    for name, rows in here.items():
        assert there["answers"][name] == rows, name


def test_the_copy_is_the_warehouse_with_all_its_words(published: Path) -> None:
    """Every table, those that the pipeline keeps for itself included, each row, type and description; to read only."""
    warehouse = published.with_name("warehouse.duckdb")
    copy, here = answered_here(published), answered_here(warehouse)
    for name, rows in here.items():
        assert copy[name] == rows, name
    assert published.stat().st_mode & 0o777 == warehouse.stat().st_mode & 0o444


def storage(file: Path) -> int:
    """The version of DuckDB's storage that a file names in its header; 1.2 opens those up to 65."""
    return int.from_bytes(file.read_bytes()[12:20], "little")


def test_a_file_that_an_earlier_release_made_stays_and_its_copy_opens_everywhere(tmp_path: Path) -> None:
    """All of it is in the copy, to the last description and key; where nothing has changed it is not made again."""
    file, copy = tmp_path / "warehouse.duckdb", tmp_path / "warehouse-read.duckdb"
    duckdb.connect(str(file)).close()
    assert storage(file) > 65
    house = House(tmp_path)
    fill(house)
    assert (storage(file) > 65, storage(copy)) == (True, 65)
    for there, here in zip(catalogue(copy), catalogue(file), strict=True):
        assert [row[0] for row in there] == [row[0] for row in here]
    tables_and_keys = (0, 1, 3, 5)  # views and macros are worded otherwise, and answer alike
    assert [catalogue(copy)[part] for part in tables_and_keys] == [catalogue(file)[part] for part in tables_and_keys]
    assert answered_here(copy) == answered_here(file)
    assert copy.stat().st_mode & 0o222 == 0
    assert {found.name for found in tmp_path.glob("*.duckdb*")} == {file.name, copy.name}
    assert not house.publish().is_new
    house.execute("create table clari.more as select 1 as one")
    assert house.publish().is_new
    context = house.context
    backup.take(context.warehouse, context.landing, tmp_path / "saved", env=None, now=context.now)
    work = restoring.plan(
        context.warehouse, context.landing, tmp_path / "saved", env=None, documents_only=False, force=True
    )
    restoring.restore(work)
    assert storage(file) == 65
    assert answered_here(file) == answered_here(copy)


def test_a_new_file_opens_everywhere(tmp_path: Path) -> None:
    DuckWarehouse(tmp_path / "warehouse.duckdb").prepare()
    assert storage(tmp_path / "warehouse.duckdb") == 65


def test_each_mart_says_what_it_is_in_its_file(published: Path) -> None:
    """Descriptions of the table and of every column, as the database has them, by names that all readers show."""
    with duckdb.connect(str(published), read_only=True) as connection:
        described = connection.execute(
            "select table_name, column_name, comment from duckdb_columns() where schema_name = 'clari'"
        ).fetchall()
        of_tables = dict(
            connection.execute(
                "select table_name, comment from duckdb_tables() union all "
                "select view_name, comment from duckdb_views()"
            ).fetchall()
        )
    for mart in MARTS:
        must = {"description": of_tables[mart]} | {
            f"description.{column}": comment for table, column, comment in described if table == mart
        }
        told = pq.read_schema(published.parent / f"marts/{mart}.parquet").metadata
        assert {name.decode(): text.decode() for name, text in told.items()} == must, mart
