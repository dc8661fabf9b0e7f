"""The warehouse's file as this process has it: attached once, whoever uses it, to a DuckDB that stays.

To start a DuckDB takes 15 ms, to attach a file to one that runs 3 ms: a sync lets go of the file a dozen times, so that
others can read it between. One DuckDB a file, so that each spills beside its own; of those that have no file attached
the newest alone stays.
"""

from __future__ import annotations

import atexit
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

import duckdb

# What does not fit is spilled beside the warehouse; the order of rows is nobody's business.
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "400MB",
    "preserve_insertion_order": "false",
}
_NAME = "warehouse"
_ITSELF = "itself"
_COPY = "copy"

_files: WeakValueDictionary[Path, DuckFile] = WeakValueDictionary()
_files_guard = threading.Lock()
_resting: list[DuckFile] = []  # the one whose DuckDB stays, though nobody uses its file


def duck_file(path: Path) -> DuckFile:
    """The file at a path, the same object for all who ask for it while any of them keeps it."""
    where = path.resolve()
    with _files_guard:
        file = _files.get(where)
        if file is None:
            file = _files[where] = DuckFile(path)
        return file


class DuckFile:
    """Counts who uses the file, and attaches it while somebody does. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Condition(threading.RLock())
        self._duckdb: duckdb.DuckDBPyConnection | None = None
        self._is_attached = False
        self._readers: Counter[str] = Counter()
        self._users = 0
        self._keepers = 0

    def use(self, attach: Callable[[], None]) -> duckdb.DuckDBPyConnection:
        """A connection of one's own, for `let_go` to close. `attach` is called where the file is not attached."""
        with self._guard:
            if not self._is_attached:
                attach()
            connection = self.connection()
            self._users += 1
            return connection

    def let_go(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Close a connection from `use`, and detach the file if nobody else uses or keeps it."""
        connection.close()
        with self._guard:
            self._users -= 1
            self._detach_if_unused()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Meanwhile the file stays attached from its first use on."""
        with self._guard:
            self._keepers += 1
        try:
            yield
        finally:
            with self._guard:
                self._keepers -= 1
                self._detach_if_unused()

    @contextmanager
    def unused(self, timeout_s: float) -> Iterator[bool]:
        """Wait until nobody in this process uses the file, and detach it, though it be kept; nobody uses it meanwhile.

        False where somebody still does after that time.
        """
        with self._guard:
            is_unused = self._guard.wait_for(lambda: self._users == 0, timeout_s)
            if is_unused:
                self.detach()
            yield is_unused

    def attach(self, *, read_only: bool = False) -> None:
        """Attach the file, making it where there is none. Raises `duckdb.Error`."""
        with self._guard:
            self._attach(self._path, _NAME, read_only=read_only)
            self._is_attached = True

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A connection to the attached file, its times in UTC."""
        return self._connection(_NAME)

    def checkpoint(self) -> None:
        """Write the attached file's log into it. Raises `duckdb.Error`."""
        with self.connection() as connection:
            connection.execute("checkpoint")

    def detach(self) -> None:
        """Let go of the file, if it is attached: its log is written into it, and others may have it."""
        with self._guard:
            if self._is_attached:
                self._is_attached = False
                self._detach(_NAME)

    @contextmanager
    def read(self, copy: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for reading only, to a copy of the file, or to the file itself and with all memory there is.

        The file itself cannot be used meanwhile, nor be read while it is used. Raises `duckdb.Error`.
        """
        name = _ITSELF if copy is None else _COPY
        with self._guard:
            if not self._readers[name]:
                self._attach(copy or self._path, name, read_only=True)
                if copy is None:
                    self._duckdb_here().execute("reset memory_limit")
            self._readers[name] += 1
        try:
            with self._connection(name) as connection:
                yield connection
        finally:
            with self._guard:
                self._readers[name] -= 1
                if not self._readers[name]:
                    self._detach(name)
                    self._rest()

    def end(self) -> None:
        """Close the DuckDB that the file is attached to; the next use starts another."""
        with self._guard:
            self._is_attached = False
            if self._duckdb is not None:
                self._duckdb.close()
                self._duckdb = None

    def _detach_if_unused(self) -> None:
        if self._users == 0:
            if not self._keepers:
                self.detach()
                self._rest()
            self._guard.notify_all()

    def _rest(self) -> None:
        with _files_guard:
            before = [file for file in _resting if file is not self]
            _resting[:] = [self]
        for file in before:
            if file._guard.acquire(blocking=False):
                try:
                    if not (file._is_attached or +file._readers):
                        file.end()
                finally:
                    file._guard.release()

    def _duckdb_here(self) -> duckdb.DuckDBPyConnection:
        if self._duckdb is None:
            self._duckdb = duckdb.connect(config=CONFIG | {"temp_directory": f"{self._path}.tmp"})
        return self._duckdb

    def _attach(self, path: Path, name: str, *, read_only: bool) -> None:
        # The session before may have asked for more.
        self._duckdb_here().execute(f"set memory_limit = '{CONFIG['memory_limit']}'")
        written = str(path).replace("'", "''")
        self._duckdb_here().execute(f"attach '{written}' as {name} {'(read_only)' if read_only else ''}")

    def _connection(self, name: str) -> duckdb.DuckDBPyConnection:
        connection = self._duckdb_here().cursor()
        connection.execute(f"use {name}")
        connection.execute("set timezone = 'UTC'")
        return connection

    def _detach(self, name: str) -> None:
        try:
            self._duckdb_here().execute(f"detach {name}")
        except duckdb.Error:  # a full disk, or an error that has made it useless: what was kept stands in the log
            self.end()


@atexit.register
def _end_all() -> None:
    """DuckDB complains of connections that outlive it."""
    for file in list(_files.values()):
        file.end()
