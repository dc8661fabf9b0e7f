"""Who reads a warehouse that another release writes, and who comes to own one that another role has made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Terminal

from .house import House, document, entry, moment

_READING = (("status", "--json"), ("alerts", "list"), ("as-of", "2026-12-01", "--format", "csv"), ("board",))


@pytest.fixture
def reader(
    tmp_path: Path, roles: Callable[[str], str], database: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """The terminal is the reader's, the tables the writer's of another release; does what that one has done to them."""
    House(tmp_path / "writer", url=roles("clari_writer")).bring(document(entry(call=100)), moment(10, 2))
    monkeypatch.setenv("CLARI_WAREHOUSE_URL", roles("clari_reader"))

    def change(how: str) -> None:
        with psycopg.connect(database, autocommit=True) as administrator:
            administrator.execute("update clari.warehouse_version set schema_sha256 = 'another'")
            administrator.execute(how.encode())

    return change


def test_the_reader_reads_tables_of_another_release(reader: Callable[[str], None], terminal: Terminal) -> None:
    """Which have all that is read, and more: to read takes no right to make anything."""
    reader("alter table clari.alert add column of_tomorrow text")
    for words in _READING:
        answer = terminal(*words)
        assert answer.code == 0, answer.err
    assert terminal("status", "--json").document["exports"][0]["state"] == "LOADED"
    assert "may not write schema clari" in terminal("sync").err


@pytest.mark.parametrize(
    "how",
    ["drop table clari.alert", "alter table clari.alert rename title to heading"],
)
def test_the_reader_is_told_of_another_release(how: str, reader: Callable[[str], None], terminal: Terminal) -> None:
    """Where something that is read is not there: no grant would help."""
    reader(how)
    answer = terminal("alerts", "list")
    (line,) = answer.err.strip().splitlines()
    assert answer.code != 0
    assert "another release" in line
    assert "grant" not in line
