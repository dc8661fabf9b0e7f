"""Warehouses are brought to a version of the schema that somebody wrote: comments in its files change nothing."""

import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from clari_pipeline.core.project import CHECKOUT
from clari_pipeline.warehouse.migrations import schema_version
from tests.helpers import versions
from tests.helpers.house import House

_TABLE = "-- Grain: one row.\ncreate table clari.thing (\n    name varchar -- a comment\n);\n"


def test_other_words_have_another_version() -> None:
    """Or the warehouses that stand would never get them. What fails here says what to do."""
    assert (said := versions.differences([*versions.of_schema(), *versions.of_marts()])) is None, said


@pytest.mark.parametrize(
    ("text", "is_same"),
    [
        ("create table clari.thing (name varchar);", True),
        ("/* moved */\ncreate table clari.thing (name varchar);\n", True),
        ("create table clari.thing (name varchar, age integer);", False),
        (f"{_TABLE} comment on table clari.thing is 'Described';", False),
    ],
)
def test_comments_and_spaces_are_no_part_of_a_schema(text: str, is_same: bool) -> None:
    """The words of its statements are, and what the database says of its tables."""
    assert (versions.token_fingerprint(text) == versions.token_fingerprint(_TABLE)) is is_same


def test_a_fingerprint_is_written_once_the_version_was_raised(tmp_path: Path) -> None:
    """Beside the version, in the file that has it; before that the test and the command say what to do."""
    file = tmp_path / "thing.sql"
    file.write_text(f"-- version: 1\n{_TABLE}", encoding="utf-8")

    def written() -> list[versions.Written]:
        return list(versions.of_schema(tmp_path))

    assert "sql/schema/thing.sql has a new version: run" in str(versions.differences(written()))
    assert versions.write(written()) is versions.differences(written()) is None
    first = file.read_text(encoding="utf-8")
    assert first.endswith(f"\n{_TABLE}")
    file.write_text(first.replace("varchar", "text"), encoding="utf-8")
    for said in (versions.write(written()), versions.differences(written())):
        assert "version 1 of sql/schema/thing.sql" in str(said)
        assert "raise that number" in str(said)
    file.write_text(first.replace("varchar", "text").replace("version: 1", "version: 2"), encoding="utf-8")
    assert versions.write(written()) is versions.differences(written()) is None
    assert file.read_text(encoding="utf-8").startswith("-- version: 2, words: 2-")
    file.write_text(_TABLE, encoding="utf-8")
    with pytest.raises(LookupError, match="write `-- version: 1`"):
        written()


@pytest.mark.parametrize(
    ("engine", "held"),
    [("duckdb", sha256(b"earlier").hexdigest()), ("duckdb", "2026.12.1"), ("postgres", sha256(b"earlier").hexdigest())],
    ids=["hash", "constant", "hash on a server"],
)
def test_a_warehouse_of_another_version_is_upgraded_once(
    tmp_path: Path, engine: str, held: str, request: pytest.FixtureRequest
) -> None:
    """As releases before left it: what is missing is made, and whoever comes after finds nothing to do."""
    url = request.getfixturevalue("prepared_database") if engine == "postgres" else None
    house = House(tmp_path, url=url)
    house.execute("drop table clari.alert_delivery")
    house.execute(f"update clari.warehouse_version set schema_sha256 = '{held}'")
    house = House(tmp_path, url=url)
    assert house.rows("select * from clari.alert_delivery") == []
    assert house.rows("select * from clari.warehouse_version") == [{"schema_sha256": schema_version()}]
    house.execute("drop table clari.alert_delivery")
    House(tmp_path, url=url).context.prepare()
    there = "select count(*) from information_schema.tables where table_schema = 'clari' and table_name = '{}'"
    assert [house.value(there.format(name)) for name in ("alert", "alert_delivery")] == [1, 0]


def test_a_version_and_nothing_else_makes_another_schema(tmp_path: Path) -> None:
    """Of a release's files: a comment leaves the version as it is, a raised number does not."""
    program = "from clari_pipeline.warehouse.migrations import schema_version; print(schema_version())"
    for name in ("clari_pipeline", "sql"):
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)

    def version() -> str:
        ran = subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, capture_output=True, text=True)
        return ran.stdout.strip()

    alert = tmp_path / "sql/schema/alert.sql"
    alert.write_text(f"{alert.read_text(encoding='utf-8')}-- A remark.\n", encoding="utf-8")
    assert version() == schema_version()
    alert.write_text(re.sub(r"version: \d+", "version: 999", alert.read_text(encoding="utf-8")), encoding="utf-8")
    assert version() != schema_version()
