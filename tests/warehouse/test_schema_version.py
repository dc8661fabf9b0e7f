"""Warehouses are brought to a version of the schema that somebody wrote: comments in its files change nothing."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from clari_pipeline.warehouse.migrations import SCHEMA_VERSION
from tests.helpers.house import House
from tests.helpers.schema_lock import differences, fingerprints

_TABLE = "-- Grain: one row.\ncreate table clari.thing (\n    name varchar -- a comment\n);\n"


def test_a_changed_schema_has_another_version() -> None:
    """Or the warehouses that stand would never get it. What fails here says what to do."""
    assert differences() is None, differences()


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
    assert (fingerprints([("thing", text)]) == fingerprints([("other", _TABLE)])) is is_same


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_a_warehouse_that_holds_a_hash_is_upgraded_once(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    """As releases before left it: what is missing is made, and whoever comes after finds nothing to do."""
    url = request.getfixturevalue("prepared_database") if engine == "postgres" else None
    house = House(tmp_path, url=url)
    house.execute("drop table clari.alert_delivery")
    house.execute(f"update clari.warehouse_version set schema_sha256 = '{sha256(b'earlier').hexdigest()}'")
    house = House(tmp_path, url=url)
    assert house.rows("select * from clari.alert_delivery") == []
    assert house.rows("select * from clari.warehouse_version") == [{"schema_sha256": SCHEMA_VERSION}]
    house.execute("drop table clari.alert_delivery")
    House(tmp_path, url=url).context.prepare()
    there = "select count(*) from information_schema.tables where table_schema = 'clari' and table_name = '{}'"
    assert [house.value(there.format(name)) for name in ("alert", "alert_delivery")] == [1, 0]
