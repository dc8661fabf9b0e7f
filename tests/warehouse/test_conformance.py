"""The same documents make the same rows, whichever engine keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clari_pipeline.warehouse.statements import tables

from .house import House, document, entry, moment, person

# By what a warehouse was made, and bytes that DuckDB writes.
_APART = {"warehouse_version", "newest_document", "mart_version"}


def rows_of(house: House, table: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(map(_plain, one.values())) for one in house.rows(f"select * from clari.{table}")), key=repr)


def _plain(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def everything(house: House) -> dict[str, list[tuple[Any, ...]]]:
    return {table: rows_of(house, table) for table in tables() if table not in _APART}


@pytest.fixture
def houses(tmp_path: Path, database: str) -> Iterator[list[House]]:
    """The same, with a warehouse in each engine; DuckDB's is the first."""
    yield [House(tmp_path / "duckdb"), House(tmp_path / "postgres", url=database)]


def test_the_same_documents_make_the_same_rows(houses: list[House]) -> None:
    """Values that change, vanish and come back, partial measures, weeks without dates, people who change teams."""
    head = person("zoë", role="top", parent=None)
    first = [entry("ann", week, call=100 + n, quota=500, closed=7.25) for n, week in enumerate(("W01", "W02"))]
    for house in houses:
        house.bring(
            document(
                *first,
                entry("Bob", call=0),
                entry("zoë", call="1000.0001"),
                people=[head, person("ann"), person("Bob")],
            ),
            moment(10, 2),
        )
        house.bring(
            document(
                first[0],
                entry("ann", "W02", call=151, closed=8),
                entry("zoë", "W02", call=10),
                people=[head, person("ann"), person("Bob")],
            ),
            moment(10, 9),
        )
        house.bring(
            document(*first, entry("Bob", call=12.5, quota=9)), moment(10, 12), types=["forecast", "forecast_updated"]
        )
        house.bring(
            document(
                entry("Bob", "W02", call=-3), entry("ann", call=-1), people=[person("Bob", role="new"), person("ann")]
            ),
            moment(10, 20),
        )
        house.pipeline.refresh_marts()
    known, *others = map(everything, houses)
    assert all(known[table] for table in known if not table.startswith("alert"))
    for other in others:
        for table in known:
            assert other[table] == known[table], table
