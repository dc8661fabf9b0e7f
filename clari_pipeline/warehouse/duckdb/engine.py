"""A DuckDB file as the warehouse: open while a session is, closed between, so that other processes can read it."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import duckdb
from filelock import FileLock
from pydantic import SecretStr

from clari_pipeline.core.disk import copy_uncached, to_disk
from clari_pipeline.core.retrying import retry_context
from clari_pipeline.core.runbook import means_full_disk
from clari_pipeline.warehouse.catalogue import tables
from clari_pipeline.warehouse.duckdb import ENGINE
from clari_pipeline.warehouse.duckdb.errors import MAKE_AGAIN, is_lock, locked, says_damaged, translate
from clari_pipeline.warehouse.duckdb.file import CONFIG, UsedHere, duck_file
from clari_pipeline.warehouse.errors import WarehouseDamaged, WarehouseError, WarehouseLocked, WarehouseUnwritable
from clari_pipeline.warehouse.migrations import is_current, make_schema
from clari_pipeline.warehouse.session import Answer, Session, Warehouse, WorkTables, rows, run_in_duckdb

if TYPE_CHECKING:
    import pyarrow as pa

_Result = TypeVar("_Result")


class DuckSession(Session):
    """A connection to the file; documents are read in the same, as temporary tables beside the others."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @property
    def documents(self) -> duckdb.DuckDBPyConnection:
        """The connection itself."""
        return self._connection

    def _run(self, name: str, parameters: dict[str, Any]) -> Answer:
        run_in_duckdb(self._connection, name, parameters)
        return self._connection

    def upload(self, tables: Iterable[str]) -> None:
        """Nothing: they are there."""

    def count(self, table: str) -> int:
        """Rows of a table of schema `clari`."""
        found = self._connection.execute(f'select count(*) from clari."{table}"').fetchall()  # noqa: S608 - a table's name
        return int(found[0][0])

    def save(self, table: str, file: Path) -> None:
        """Every row of a table of schema `clari` as a Parquet file, packed as every reader of such files knows it."""
        about = ", ".join(f"{_quoted(name)}: {_quoted(text)}" for name, text in descriptions(self, table).items())
        options = f"format parquet, compression snappy, kv_metadata {{{about}}}"
        self._connection.execute(f'copy clari."{table}" to {_quoted(str(file))} ({options})')

    def begin(self) -> None:
        """Begin a transaction."""
        self._connection.begin()

    def commit(self) -> None:
        """Commit it."""
        self._connection.commit()

    def rollback(self) -> None:
        """Roll it back; the error before it is the one to report."""
        with suppress(duckdb.Error):
            self._connection.rollback()

    @contextmanager
    def lock(self, *what: str, shared: bool = False) -> Iterator[None]:
        """Nothing to wait for: while a session is open, the file is locked to every other process."""
        yield


class DuckWarehouse(Warehouse):
    """One DuckDB file with the schema `clari` in it. Safe to use from several threads."""

    kind = ENGINE
    read_pause_s = 0.5

    def __init__(self, path: Path, *, lock_timeout_s: float = 60) -> None:
        self._path = path  # as people have named it
        self._file = duck_file(path.absolute())
        self._lock_timeout_s = lock_timeout_s
        self._is_prepared = False

    @classmethod
    def at(cls, url: SecretStr, *, data_dir: Path, work_tables: WorkTables) -> Self:
        """The file of `duckdb:///PATH`."""
        return cls(Path(url.get_secret_value().partition(":///")[2]))

    @property
    def place(self) -> str:
        """The file."""
        return str(self._path)

    @property
    def folder(self) -> Path:
        """The file's own."""
        return self._path.parent

    def exists(self) -> bool:
        """Whether anything was ever written."""
        return self._path.exists()

    def prepare(self) -> None:
        """Open the file once."""
        with self.session():
            pass

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A connection of one's own, its times in UTC. The file is locked while any is open.

        Raises `WarehouseUnwritable` or `WarehouseLocked`, the latter after a minute of waiting, `WarehouseFull` and
        `WarehouseDamaged`.
        """
        with self._translated():
            if not self._file.is_attached:
                self._refuse_unwritable()
            connection = self._retry_while_locked(self._file.use)
            try:
                session = DuckSession(connection)
                self._prepare(session)
                yield session
            finally:
                self._file.release(connection)

    def kept_open(self) -> AbstractContextManager[None]:
        """The file stays attached from the first session of this while on: to detach and attach it takes some ms."""
        return self._file.kept()

    @contextmanager
    def read_only(self) -> Iterator[Session | None]:
        """The file opened for reading only; open, it keeps others from writing."""
        try:
            if not self._path.exists() or self._path.stat().st_size == 0:  # empty while DuckDB makes it
                yield None
                return
            with self._file.read() as connection:
                yield DuckSession(connection)
        except (duckdb.Error, OSError, UsedHere) as error:
            if is_lock(error):
                raise WarehouseLocked("a sync holds the warehouse: ask again in a moment") from error
            cause = "".join(str(error).splitlines()[:1])
            for place in (self._path.absolute(), self._path):
                cause = cause.replace(str(place), place.name)
            if says_damaged(cause):
                raise WarehouseDamaged(
                    "what CLARI_WAREHOUSE_URL names cannot be read: the warehouse is damaged, or it is another file "
                    f"({cause}): {MAKE_AGAIN}"
                ) from error
            raise WarehouseError(
                f"the warehouse cannot be read ({cause}): check CLARI_WAREHOUSE_URL, or run clari-pipeline sync"
            ) from error

    def change_token(self) -> object:
        """Which file it is, of what size and when last written, and the same of its log."""
        found: list[tuple[int, ...]] = []
        for file in (self._path, self._log):
            with suppress(FileNotFoundError):
                stat = file.stat()
                found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return found

    @contextmanager
    def copied(self, file: Path) -> Iterator[Session]:
        """The file is copied as it is; others can read it meanwhile, and whoever would write waits that long.

        A file that DuckDB 1.x cannot open, as earlier releases made them, is rewritten into one that it can. The
        copy is read-only, and its time is that of the last write.
        """
        with self._without_writer():
            found = self._path.stat()
            if self._file.opens_everywhere:
                copy_uncached(self._path, file)
            else:
                self._file.rewrite(file)
        os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
        file.chmod(found.st_mode & 0o444)
        with duckdb.connect(config=CONFIG | {"temp_directory": f"{file}.tmp"}) as connection:
            connection.execute(f"attach {_quoted(str(file))} as copied (read_only)")
            connection.execute("use copied")  # whatever the file is called: named like the schema it would be ambiguous
            connection.execute("set timezone = 'UTC'")
            yield DuckSession(connection)

    def is_copied(self, file: Path) -> bool:
        """Whether the copy is as old; one that was written anew has a size of its own."""
        try:
            copy, found = file.stat(), self._path.stat()
        except FileNotFoundError:
            return False
        return not self._has_log() and copy.st_mtime_ns == found.st_mtime_ns

    def replace_with(self, file: Path) -> None:
        """Put a file from the same disk in this one's place, once nobody has it open.

        One that DuckDB cannot open any more is nobody's, and gives way. Raises `WarehouseLocked` or `OSError`.
        """
        with self._exclusive():
            if self._path.exists():
                with suppress(WarehouseUnwritable, WarehouseDamaged, duckdb.Error):
                    self._retry_while_locked(self._file.attach)
                    self._file.checkpoint()
            self._log.unlink(missing_ok=True)  # it would be read into the new one
            file.replace(self._path)
            to_disk(self._path.parent)
            self._is_prepared = False

    @contextmanager
    def sending_lock(self, *, timeout_s: float) -> Iterator[None]:
        """A lock beside the file, which stays free for others meanwhile."""
        with FileLock(self._path.with_suffix(".sending.lock"), timeout=timeout_s):
            yield

    @contextmanager
    def _without_writer(self) -> Iterator[None]:
        """No writer, here or elsewhere, and everything is in the file, nothing in its log.

        DuckDB's own lock for readers keeps other processes out. It is released as soon as anybody here closes the file,
        though others have it open: a copy has to be finished by then.
        """
        with self._exclusive():
            self._retry_while_locked(partial(self._file.attach, read_only=True))
            while self._has_log():  # a process left it when it was killed: written into the file before
                self._file.detach()
                self._retry_while_locked(self._file.attach)
                self._file.checkpoint()
                self._log.unlink(missing_ok=True)  # one torn at its first byte holds nothing: DuckDB passes over it
                self._file.detach()
                self._retry_while_locked(partial(self._file.attach, read_only=True))
            yield

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Exclusive use within this process. Raises `WarehouseLocked`."""
        with ExitStack() as held:
            try:
                held.enter_context(self._file.exclusive(self._lock_timeout_s))
            except UsedHere as error:
                raise locked(self._path, error, self._lock_timeout_s) from error
            yield

    def _has_log(self) -> bool:
        return self._log.exists() and self._log.stat().st_size > 0

    @property
    def _log(self) -> Path:
        return self._path.with_name(f"{self._path.name}.wal")

    def _refuse_unwritable(self) -> None:
        """Make the file's folder. Raises `WarehouseUnwritable` where neither it nor the file can be written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise translate(self._path, error.strerror or str(error)) from error
        if self._path.is_dir():
            raise translate(self._path, "it is a folder")
        if not os.access(self._path if self._path.exists() else self._path.parent, os.W_OK):
            raise translate(self._path, "permission denied")

    def _prepare(self, session: Session) -> None:
        """Make the tables, once for each warehouse object: another may have put the file there."""
        with self._file.schema_lock:
            if not self._is_prepared:
                if not _is_current(session):
                    with session.transaction():
                        make_schema(session)
                self._is_prepared = True

    def _retry_while_locked(self, act: Callable[[], _Result]) -> _Result:
        """Retry while another has the file locked. Raises `WarehouseLocked`, `WarehouseUnwritable`."""
        try:
            for attempt in retry_context(
                on=is_lock, attempts=None, timeout=self._lock_timeout_s, wait_initial=0.05, wait_max=1
            ):
                with attempt:
                    return act()
        except (duckdb.Error, UsedHere) as error:
            if not is_lock(error):
                raise translate(self._path, str(error)) from error
            raise locked(self._path, error, self._lock_timeout_s) from error
        raise AssertionError("unreachable")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """A full disk and a damaged file as our errors; DuckDB has no types for them, only words."""
        try:
            yield
        except duckdb.Error as error:
            if not (means_full_disk(str(error)) or says_damaged(str(error))):
                raise
            raise translate(self._path, str(error)) from error


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def descriptions(session: DuckSession, table: str) -> dict[str, str]:
    """The comment of a table (`description`) and of each of its columns (`description.<column>`)."""
    return {found["name"]: found["comment"] for found in rows(session, "schema_descriptions", table_name=table)}


def describe_tables() -> dict[str, list[tuple[str, str, str | None]]]:
    """Columns of every table as name, type and description, from `sql/schema/` alone: no file is touched."""
    described: dict[str, list[tuple[str, str, str | None]]] = {}
    with _template().cursor() as connection:
        for found in rows(DuckSession(connection), "schema_columns"):
            described.setdefault(found["table_name"], []).append(
                (found["column_name"], found["data_type"], found["comment"])
            )
    return described


@cache
def arrow_schemas() -> dict[str, pa.Schema]:
    """Columns of every table as Arrow types, as DuckDB has them, with its `descriptions`; no file is touched."""
    with _template().cursor() as connection:
        connection.execute("set timezone = 'UTC'")
        found = {table: connection.table(f"clari.{table}").to_arrow_table().schema for table in tables()}
        session = DuckSession(connection)
        return {table: schema.with_metadata(descriptions(session, table)) for table, schema in found.items()}


@cache
def _template() -> duckdb.DuckDBPyConnection:
    """A database in memory with every table of this release and no row, made once a process.

    To make the tables takes a sixth of a second, most of it for their 600 descriptions.
    """
    connection = duckdb.connect(config={"threads": "1"})
    make_schema(DuckSession(connection))
    return connection


atexit.register(_template.cache_clear)  # DuckDB complains of connections that outlive it


def _is_current(session: Session) -> bool:
    try:
        return is_current(session)
    except duckdb.CatalogException:  # there are no tables yet
        return False
