"""A DuckDB file as the warehouse: attached while a session is open, detached between, for other processes to read."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import duckdb
from filelock import FileLock
from pydantic import SecretStr

from clari_pipeline.core.disk import copy_uncached, to_disk
from clari_pipeline.core.queries import text_of
from clari_pipeline.core.retrying import retry_context
from clari_pipeline.core.runbook import means_full_disk
from clari_pipeline.warehouse.catalogue import tables
from clari_pipeline.warehouse.duckdb import ENGINE
from clari_pipeline.warehouse.duckdb.errors import MAKE_AGAIN, is_lock, locked, says_damaged, translate
from clari_pipeline.warehouse.duckdb.file import CONFIG, UsedHere, duck_file
from clari_pipeline.warehouse.errors import (
    QueryRefused,
    WarehouseDamaged,
    WarehouseError,
    WarehouseLocked,
    WarehouseUnwritable,
    rejected,
)
from clari_pipeline.warehouse.migrations import is_current, make_schema
from clari_pipeline.warehouse.session import Answer, Session, Warehouse, WorkTables, rows, run_in_duckdb, statements_of

if TYPE_CHECKING:
    import pyarrow as pa

_Result = TypeVar("_Result")


class DuckSession(Session):
    """A connection to the file; documents are staged in the same one, as temporary tables."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @property
    def documents(self) -> duckdb.DuckDBPyConnection:
        """The connection itself."""
        return self._connection

    def _run(self, name: str, parameters: dict[str, Any]) -> Answer:
        run_in_duckdb(self._connection, name, parameters)
        return self._connection

    def read_arrow(self, name: str, parameters: dict[str, Any]) -> pa.Table:
        """Run a query of one statement."""
        ((statement, wanted),) = statements_of(self._connection, text_of(name))
        return self._connection.sql(statement, params={key: parameters[key] for key in wanted}).to_arrow_table()

    def ask(self, text: str) -> pa.Table:
        """Run one SELECT."""
        try:
            found = self._connection.extract_statements(text)
            if [one.type for one in found] != [duckdb.StatementType.SELECT]:
                raise QueryRefused("this is not one SELECT: write one, and no other statement beside it")
            return self._connection.sql(found[0]).to_arrow_table()
        except duckdb.Error as error:
            raise rejected(ENGINE.title, error) from error

    def upload(self, tables: Iterable[str]) -> None:
        """Nothing: staged tables are in this connection already."""

    def count(self, table: str) -> int:
        """Rows of a table of schema `clari`."""
        found = self._connection.execute(f'select count(*) from clari."{table}"').fetchall()  # noqa: S608 - a table's name
        return int(found[0][0])

    def save(self, table: str, file: Path) -> None:
        """Write a table of schema `clari` to a Parquet file, compressed with Snappy, which every reader knows."""
        about = ", ".join(f"{_quoted(name)}: {_quoted(text)}" for name, text in descriptions(self, table).items())
        options = f"format parquet, compression snappy, kv_metadata {{{about}}}"
        self._connection.execute(f'copy clari."{table}" to {_quoted(str(file))} ({options})')

    def arrow(self, table: str, columns: Sequence[str], where: str | None = None) -> pa.Table:
        """Columns of a table of schema `clari`."""
        named = ", ".join(f'"{column}"' for column in columns)
        condition = "" if where is None else f" where {where}"
        return self._connection.sql(f'select {named} from clari."{table}"{condition}').to_arrow_table()  # noqa: S608

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
        """No lock: while a session is open, the file is locked to every other process."""
        yield


class DuckWarehouse(Warehouse):
    """One DuckDB file with the schema `clari` in it. Safe to use from several threads."""

    kind = ENGINE
    read_pause_s = 0.5

    def __init__(self, path: Path, *, lock_timeout_s: float = 60) -> None:
        self._path = path  # as the setting has it, for messages
        self._file = duck_file(path.absolute())
        self._lock_timeout_s = lock_timeout_s
        self._is_prepared = False

    @classmethod
    def at(cls, url: SecretStr, *, data_dir: Path, work_tables: WorkTables) -> Self:
        """The warehouse of `duckdb:///PATH`."""
        return cls(Path(url.get_secret_value().partition(":///")[2]))

    @property
    def place(self) -> str:
        """The file's path, as the setting has it."""
        return str(self._path)

    @property
    def folder(self) -> Path:
        """The file's folder."""
        return self._path.parent

    def exists(self) -> bool:
        """Whether anything was ever written."""
        return self._path.exists()

    def prepare(self) -> None:
        """Open and migrate the file once."""
        with self.session():
            pass

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A connection of the caller's own, its times in UTC. Other processes cannot open the file while any is open.

        Raises `WarehouseUnwritable`, `WarehouseFull`, `WarehouseDamaged`, and after `lock_timeout_s` `WarehouseLocked`.
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
        """Keep the file attached from the first session within the context on: attaching takes milliseconds."""
        return self._file.kept()

    @contextmanager
    def read_only(self) -> Iterator[Session | None]:
        """The file opened read-only; while it is open, other processes cannot write it."""
        try:
            if not self._path.exists() or self._path.stat().st_size == 0:  # empty while DuckDB creates it
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
        """Inode, size and time of the last write, of the file and of its write-ahead log."""
        found: list[tuple[int, ...]] = []
        for file in (self._path, self._log):
            with suppress(FileNotFoundError):
                stat = file.stat()
                found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return found

    @contextmanager
    def copied(self, file: Path) -> Iterator[Session]:
        """Copy the file; other processes can read it meanwhile, and writers wait.

        A file in a storage version that DuckDB 1.2 cannot open, as earlier releases created them, is rewritten into one
        that it can. The copy is read-only, and has the original's time of modification.
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
            connection.execute("use copied")  # a database named like the schema would be ambiguous
            connection.execute("set timezone = 'UTC'")
            yield DuckSession(connection)

    def is_copied(self, file: Path) -> bool:
        """Whether the copy has the same time of modification; a rewritten one differs in size."""
        try:
            copy, found = file.stat(), self._path.stat()
        except FileNotFoundError:
            return False
        return not self._has_log() and copy.st_mtime_ns == found.st_mtime_ns

    def replace_with(self, file: Path) -> None:
        """Rename a file from the same disk over this one, once nobody has it open.

        A damaged one, which DuckDB cannot open, is replaced at once. Raises `WarehouseLocked` or `OSError`.
        """
        with self._exclusive():
            if self._path.exists():
                with suppress(WarehouseUnwritable, WarehouseDamaged, duckdb.Error):
                    self._retry_while_locked(self._file.attach)
                    self._file.checkpoint()
            self._log.unlink(missing_ok=True)  # it would be replayed into the new one
            file.replace(self._path)
            to_disk(self._path.parent)
            self._is_prepared = False

    @contextmanager
    def sending_lock(self, *, timeout_s: float) -> Iterator[None]:
        """A lock file of its own, so that the warehouse stays free for other processes."""
        with FileLock(self._path.with_suffix(".sending.lock"), timeout=timeout_s):
            yield

    @contextmanager
    def _without_writer(self) -> Iterator[None]:
        """Exclude writers in all processes, with the write-ahead log checkpointed into the file.

        DuckDB's own lock for readers excludes writers in other processes. As a POSIX lock it is released as soon as any
        handle of this process on the file is closed: copy the file before that.
        """
        with self._exclusive():
            self._retry_while_locked(partial(self._file.attach, read_only=True))
            while self._has_log():  # left by a process that was killed: checkpoint it
                self._file.detach()
                self._retry_while_locked(self._file.attach)
                self._file.checkpoint()
                self._log.unlink(missing_ok=True)  # DuckDB ignores one that is cut at its first byte
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
        """Create the file's folder. Raises `WarehouseUnwritable` where it, or the file in it, cannot be written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise translate(self._path, error.strerror or str(error)) from error
        if self._path.is_dir():
            raise translate(self._path, "it is a folder")
        if not os.access(self._path if self._path.exists() else self._path.parent, os.W_OK):
            raise translate(self._path, "permission denied")

    def _prepare(self, session: Session) -> None:
        """Migrate the tables, once for each warehouse object: the file may be another than before."""
        with self._file.schema_lock:
            if not self._is_prepared:
                if not _is_current(session):
                    with session.transaction():
                        make_schema(session)
                self._is_prepared = True

    def _retry_while_locked(self, act: Callable[[], _Result]) -> _Result:
        """Retry while the file is locked. Raises `WarehouseLocked`, or any other error translated."""
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
        """Translate DuckDB's errors on a full disk and a damaged file, known by their messages alone."""
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
    """Columns of every table as name, type and description, from `sql/schema/` alone, without opening a warehouse."""
    described: dict[str, list[tuple[str, str, str | None]]] = {}
    with _template().cursor() as connection:
        for found in rows(DuckSession(connection), "schema_columns"):
            described.setdefault(found["table_name"], []).append(
                (found["column_name"], found["data_type"], found["comment"])
            )
    return described


@cache
def arrow_schemas() -> dict[str, pa.Schema]:
    """Arrow schema of every table, with its `descriptions` as metadata, without opening a warehouse."""
    with _template().cursor() as connection:
        connection.execute("set timezone = 'UTC'")
        found = {table: connection.table(f"clari.{table}").to_arrow_table().schema for table in tables()}
        session = DuckSession(connection)
        return {table: schema.with_metadata(descriptions(session, table)) for table, schema in found.items()}


def condition_fault(table: str, condition: str) -> str | None:
    """What DuckDB finds wrong with a condition on a table of this release, in one line; None where it is one."""
    try:
        with _template().cursor() as connection:
            asked = connection.execute(f'select ({condition}) as it from clari."{table}" where ({condition}) limit 0')  # noqa: S608
            kind = asked.description[0][1]
    except duckdb.Error as error:
        first, _, more = str(error).partition("\n")
        return f"{first.partition('Error: ')[2] or first} {more.partition(chr(10))[0].strip()}".strip()
    return None if str(kind) == "BOOLEAN" else f"it is no condition, but a value of type {kind}"


@cache
def _template() -> duckdb.DuckDBPyConnection:
    """An in-memory database with every table of this release, empty, created once a process.

    Creating the tables takes a sixth of a second, most of it for their 600 comments.
    """
    connection = duckdb.connect(config={"threads": "1"})
    make_schema(DuckSession(connection))
    return connection


atexit.register(_template.cache_clear)  # DuckDB complains of connections that outlive it


def _is_current(session: Session) -> bool:
    try:
        return is_current(session)
    except duckdb.CatalogException:  # no tables yet
        return False
