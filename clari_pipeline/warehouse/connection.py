"""The DuckDB file: opened when it is needed, closed when nobody needs it, so that others can read it between."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb

from clari_pipeline.retrying import retry_context
from clari_pipeline.warehouse.statements import Connection, rows, run, sha256_of, tables

# What does not fit is spilled beside the warehouse; the order of rows is nobody's business.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "400MB",
    "preserve_insertion_order": "false",
}
_Result = TypeVar("_Result")
_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


class WarehouseError(Exception):
    """The warehouse cannot be used. One line: cause and remedy."""


class WarehouseUnwritable(WarehouseError):
    """The path of the warehouse cannot be written: a setting to mend, found before Clari is asked."""


class WarehouseLocked(WarehouseError):
    """Another process has held the file for longer than we wait."""


class Warehouse:
    """One DuckDB file with the schema `clari` in it. Safe to use from several threads."""

    def __init__(self, path: Path, *, lock_timeout_s: float = 60) -> None:
        self.path = path
        self._lock_timeout_s = lock_timeout_s
        self._guard = threading.Lock()
        self._root: Connection | None = None
        self._users = 0
        self._is_prepared = False

    def exists(self) -> bool:
        """Whether anything was ever written."""
        return self.path.exists()

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection of one's own, its times in UTC. The file is locked while any is open.

        Raises `WarehouseUnwritable` or `WarehouseLocked`, the latter after a minute of waiting.
        """
        with self._guard:
            if self._root is None:
                self._root = self._open()
            connection = self._root.cursor()
            self._users += 1
        try:
            connection.execute("set timezone = 'UTC'")
            yield connection
        finally:
            connection.close()
            with self._guard:
                self._users -= 1
                if self._users == 0:
                    self._root.close()
                    self._root = None

    def with_room(self, work: Callable[[Connection], _Result]) -> _Result:
        """Do the work in a session; what does not fit into DuckDB's memory is done again with the machine's.

        The work has to leave nothing half done where it fails.
        """
        with self.session() as connection:
            try:
                return work(connection)
            except duckdb.OutOfMemoryException:
                connection.execute("reset memory_limit")
                return work(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A session whose work is kept as a whole, or not at all."""
        with self.session() as connection:
            connection.begin()
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def _open(self) -> Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        if self.path.is_dir():
            raise self._unwritable("it is a folder")
        if not os.access(self.path if self.path.exists() else self.path.parent, os.W_OK):
            raise self._unwritable("permission denied")
        connection = self._wait_for_lock()
        if not self._is_prepared:
            if not _is_made(connection):
                connection.begin()
                _make_schema(connection)
                connection.commit()
            self._is_prepared = True
        return connection

    def _wait_for_lock(self) -> Connection:
        try:
            for attempt in retry_context(
                on=_is_lock, attempts=None, timeout=self._lock_timeout_s, wait_initial=0.05, wait_max=1
            ):
                with attempt:
                    return duckdb.connect(self.path, config=_CONFIG)
        except duckdb.IOException as error:
            if not _is_lock(error):
                raise self._unwritable(str(error).splitlines()[0]) from error
            holder = _HOLDER.search(str(error))
            who = f"{holder['program']} (process {holder['pid']})" if holder else "another program"
            raise WarehouseLocked(
                f"warehouse {self.path} has been locked by {who} for {self._lock_timeout_s:.0f} s: "
                "close it there, then run again"
            ) from error
        raise AssertionError("unreachable")

    def _unwritable(self, cause: str) -> WarehouseUnwritable:
        return WarehouseUnwritable(
            f"warehouse {self.path} cannot be written ({cause}): make it writable or set CLARI_WAREHOUSE_URL"
        )


def _is_lock(error: Exception) -> bool:
    return isinstance(error, duckdb.IOException) and "lock on file" in str(error)


def describe_tables() -> dict[str, list[tuple[str, str, str | None]]]:
    """Columns of every table as name, type and description, from `sql/schema/` alone: no file is touched."""
    described: dict[str, list[tuple[str, str, str | None]]] = {}
    with duckdb.connect() as connection:
        _make_schema(connection)
        for found in rows(connection, "schema_columns"):
            described.setdefault(found["table_name"], []).append(
                (found["column_name"], found["data_type"], found["comment"])
            )
    return described


def _is_made(connection: Connection) -> bool:
    """Whether this release has made the tables already."""
    try:
        return [{"schema_sha256": sha256_of("schema")}] == rows(connection, "schema_made_by")
    except duckdb.CatalogException:
        return False


def _make_schema(connection: Connection) -> None:
    run(connection, "schema/clari")
    for table in tables():
        run(connection, f"schema/{table}")
    run(connection, "schema_is_made", schema_sha256=sha256_of("schema"))
