"""The warehouse's file in this process: attached once, for all connections, to a DuckDB instance that is reused.

Starting an instance takes 15 ms, attaching a file to a running one 3 ms: a sync detaches the file a dozen times, so
that other processes can read it between. There is one instance for each file, which spills into its folder; of the
idle ones, with nothing attached, only the newest stays. Nothing here waits for another process: a locked file raises.
"""

from __future__ import annotations

import atexit
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

import duckdb

# What exceeds the memory limit is spilled beside the warehouse; no query relies on the order of rows.
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "400MB",
    "preserve_insertion_order": "false",
}
# New files have the oldest storage version that can hold all of it, views and comments included: every DuckDB from 1.2
# on opens them. An existing file keeps its version.
_STORAGE = (1, 2, 0)
_NEW_FILES = {"storage_compatibility_version": "v{}.{}.{}".format(*_STORAGE)}
# Settings of the whole instance, set when a file is attached, to write it or read-only.
_TO_WRITE = (*(f"set {name} = '{value}'" for name, value in CONFIG.items()), "reset disabled_optimizers")
_TO_READ = (*(f"reset {name}" for name in CONFIG), "reset disabled_optimizers")
_WRITTEN = "warehouse"
_READ = "itself"

_files: WeakValueDictionary[Path, DuckFile] = WeakValueDictionary()
_files_guard = threading.Lock()
_idle: list[DuckFile] = []  # at most one: its instance stays open, with no file attached
_REWRITTEN = "rewritten"


class UsedHere(Exception):
    """The file is in use in this process in a way that excludes the use that was asked for."""


def duck_file(path: Path) -> DuckFile:
    """The `DuckFile` of an absolute path: one object a process."""
    with _files_guard:
        file = _files.get(path)
        if file is None:
            file = _files[path] = DuckFile(path)
        return file


class DuckFile:
    """Counts the connections to the file, and keeps it attached while there are any. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.schema_lock = threading.Lock()  # held while the tables are migrated
        self._guard = threading.Condition(threading.RLock())  # held for moments only
        self._duckdb: duckdb.DuckDBPyConnection | None = None
        self._is_attached = self._is_exclusive = False
        self._users = self._keepers = self._readers = 0

    @property
    def is_attached(self) -> bool:
        """Whether it is attached for writing, or by the holder of `exclusive`; not by `read`."""
        return self._is_attached

    def use(self) -> duckdb.DuckDBPyConnection:
        """A new connection, its times in UTC, for `release` to close; the file is created where there is none.

        Raises `UsedHere`, or `duckdb.Error` as `attach` does.
        """
        with self._guard:
            if self._is_exclusive or self._readers:
                raise UsedHere
            if not self._is_attached:
                self.attach()
            try:
                connection = self._connection(_WRITTEN)
            except BaseException:
                self._detach_if_unused()
                raise
            self._users += 1
            return connection

    def release(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Close a connection from `use`, and detach the file unless others use it or `kept` holds it."""
        connection.close()
        with self._guard:
            self._users -= 1
            self._detach_if_unused()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the file attached, from its first use within the context to the context's end."""
        with self._guard:
            self._keepers += 1
        try:
            yield
        finally:
            with self._guard:
                self._keepers -= 1
                self._detach_if_unused()

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection, without a memory limit. Raises `UsedHere` or `duckdb.Error`."""
        with self._guard:
            if self._is_attached or self._is_exclusive:
                raise UsedHere
            if not self._readers:
                self._attach(self._path, _READ, read_only=True)
            self._readers += 1
        try:
            with self._connection(_READ) as connection:
                yield connection
        finally:
            with self._guard:
                self._readers -= 1
                if not self._readers:
                    self._detach(_READ)
                self._guard.notify_all()

    @property
    def opens_everywhere(self) -> bool:
        """Whether every DuckDB from 1.2 on can open the attached file, by its storage version.

        Read by way of DuckDB: to open and close the file ourselves would release DuckDB's lock on it.
        """
        with self._connection(_WRITTEN) as connection:
            found = connection.execute(
                "select tags['storage_version'] from duckdb_databases() where database_name = current_database()"
            ).fetchall()
        version = re.match(r"v(\d+)\.(\d+)\.(\d+)", str(found[0][0]))
        return version is not None and tuple(map(int, version.groups())) <= _STORAGE

    def rewrite(self, copy: Path) -> None:
        """Copy the contents of the attached file into a new one, which every DuckDB from 1.2 on opens."""
        with self._guard:
            self._attach(copy, _REWRITTEN, read_only=False)
            try:
                self._duckdb_here.execute(f"copy from database {_WRITTEN} to {_REWRITTEN}")
            finally:
                self._detach(_REWRITTEN)

    @contextmanager
    def exclusive(self, timeout_s: float) -> Iterator[None]:
        """Exclusive use within this process, once nobody uses or reads the file; it is detached first, even if `kept`.

        Its holder may `attach`, `checkpoint` and `detach` it. Raises `UsedHere` where it is still in use after that
        time.
        """
        with self._guard:
            if not self._guard.wait_for(lambda: not (self._users or self._readers or self._is_exclusive), timeout_s):
                raise UsedHere
            self.detach()
            self._is_exclusive = True
        try:
            yield
        finally:
            with self._guard:
                self._is_exclusive = False
                self.detach()
                self._guard.notify_all()

    def attach(self, *, read_only: bool = False) -> None:
        """Attach the file. Raises `duckdb.Error`, for which `errors.is_lock` is true where another process has it."""
        with self._guard:
            self._attach(self._path, _WRITTEN, read_only=read_only)
            self._is_attached = True

    def checkpoint(self) -> None:
        """Write the attached file's write-ahead log into it. Raises `duckdb.Error`."""
        with self._connection(_WRITTEN) as connection:
            connection.execute("checkpoint")

    def detach(self) -> None:
        """Detach the file, if it is attached: DuckDB checkpoints it and releases its lock."""
        with self._guard:
            if self._is_attached:
                self._is_attached = False
                self._detach(_WRITTEN)

    def end(self, *, timeout_s: float = -1) -> None:
        """Close the instance, unless something is attached to it; the next use starts another."""
        if self._guard.acquire(timeout=timeout_s):
            try:
                if not self._has_attached():
                    self._close()
            finally:
                self._guard.release()

    def _has_attached(self) -> bool:
        return bool(self._is_attached or self._readers)

    def _close(self) -> None:
        if self._duckdb is not None:
            self._duckdb.close()
            self._duckdb = None

    def _detach_if_unused(self) -> None:
        if self._users == 0:
            if not (self._keepers or self._is_exclusive):
                self.detach()
            self._guard.notify_all()

    def _attach(self, path: Path, name: str, *, read_only: bool) -> None:
        if self._duckdb is None:
            self._duckdb = duckdb.connect(config=CONFIG | _NEW_FILES | {"temp_directory": f"{self._path}.tmp"})
        try:
            if not self._has_attached():
                for setting in _TO_READ if name == _READ else _TO_WRITE:
                    self._duckdb.execute(setting)
            written = str(path).replace("'", "''")
            self._duckdb.execute(f"attach '{written}' as {name} {'(read_only)' if read_only else ''}")
        except BaseException:
            self.end()
            raise

    @property
    def _duckdb_here(self) -> duckdb.DuckDBPyConnection:
        assert self._duckdb is not None
        return self._duckdb

    def _connection(self, name: str) -> duckdb.DuckDBPyConnection:
        connection = self._duckdb_here.cursor()
        connection.execute(f"use {name}")
        connection.execute("set timezone = 'UTC'")
        return connection

    def _detach(self, name: str) -> None:
        try:
            if self._duckdb is not None:
                self._duckdb.execute(f"detach {name}")
        except duckdb.Error:
            self._close()  # on a full disk it is detached, its log kept; after a fatal error the instance is unusable
        self._become_idle()

    def _become_idle(self) -> None:
        """Keep this file's instance open, and close that of the file that was idle before."""
        with _files_guard:
            before = [file for file in _idle if file is not self]
            _idle[:] = [self]
        for file in before:
            file.end(timeout_s=0)


def _end_all() -> None:
    with _files_guard:
        files = list(_files.values())
    for file in files:
        file.end(timeout_s=0.1)


atexit.register(_end_all)  # DuckDB complains of connections that outlive it
os.register_at_fork(before=_end_all)  # and a child that inherits them would end in a crash
