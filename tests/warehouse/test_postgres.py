"""The same documents make the same rows on PostgreSQL as in DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from clari_pipeline.warehouse import marts, merging
from clari_pipeline.warehouse.merging import Merged
from clari_pipeline.warehouse.postgres import PostgresWarehouse
from clari_pipeline.warehouse.statements import Connection, Record, tables
from tests.warehouse import servers

from .house import QUARTER, House, document, entry, moment, person

_STAGED = ("stage_entry", "stage_user", "stage_field", "stage_time_period", "stage_week", "stage_time_frame")
# What the two do not hold alike: bytes that DuckDB alone writes, and by what a warehouse was made.
_APART = {"newest_document", "warehouse_version", "mart_version", "alert", "alert_delivery", "export_check"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    if servers.programs() is None:
        pytest.skip("this machine has no PostgreSQL")
    with servers.postgres() as found:
        yield found


class Mirror:
    """Merges on PostgreSQL whatever is merged in DuckDB, from the same staged document."""

    def __init__(self, address: str, merge: Callable[[Connection, Record], Merged]) -> None:
        self.warehouse = PostgresWarehouse(address)
        self._merge = merge

    def merge(self, connection: Connection, export: Record) -> Merged:
        with self.warehouse.session() as server, self.warehouse.staged(server, connection, _STAGED):
            self.copy(connection, server, "export_job")
            there = self._merge(server, export)
        here = self._merge(connection, export)
        assert there == here
        return here

    def copy(self, connection: Connection, server: Any, table: str) -> None:
        """One table as it stands in DuckDB."""
        found = connection.execute(f"select * from clari.{table}")
        names = [column[0] for column in found.description]
        server.execute(f"delete from clari.{table}")
        for values in found.fetchall():
            server.execute(
                f"insert into clari.{table} ({', '.join(names)}) values ({', '.join(['%s'] * len(names))})", values
            )


def _rows(connection: Any, table: str) -> list[tuple[Any, ...]]:
    columns = [column[0] for column in connection.execute(f"select * from clari.{table} limit 0").description]
    found = connection.execute(f"select {', '.join(columns)} from clari.{table}").fetchall()
    return sorted((tuple(map(_plain, values)) for values in found), key=repr)


def _plain(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def test_the_same_documents_make_the_same_rows(house: House, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that change, vanish and come back, partial measures, weeks without dates, people who change teams."""
    mirror = Mirror(address, merging.merge)
    monkeypatch.setattr(merging, "merge", mirror.merge)
    head = person("zoë", role="top", parent=None)
    first = [entry("ann", week, call=100 + n, quota=500, closed=7.25) for n, week in enumerate(("W01", "W02"))]
    house.bring(
        document(
            *first, entry("Bob", call=0), entry("zoë", call="1000.0001"), people=[head, person("ann"), person("Bob")]
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

    rules = house.pipeline.rules
    with house.pipeline.warehouse.session() as here, mirror.warehouse.transaction() as there:
        mirror.copy(here, there, "export_job")
        merging.renew_people(there, "north")
        marts.compare_calls(there, "north", QUARTER, rules)
        marts.refresh_forecast_vs_quota(there, rules)
        marts.refresh_health(here)
        marts.refresh_health(there)
        for table in tables():
            if table not in _APART:
                assert _rows(here, table)
                assert _rows(there, table) == _rows(here, table), table
