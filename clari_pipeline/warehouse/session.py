"""The interface of every engine: warehouses and sessions, with transactions, locks, and named statements of `sql/`.

A statement of `sql/documents/`, and one of another topic called `stage_*`, runs in DuckDB in this process; all others
run in the warehouse. A document is staged and judged in DuckDB, then its staged tables are uploaded to the warehouse.
"""

from __future__ import annotations

import atexit
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

import duckdb
from pydantic import SecretStr

from clari_pipeline.core.queries import text_of
from clari_pipeline.warehouse.capabilities import Engine
from clari_pipeline.warehouse.errors import WarehouseInterrupted

if TYPE_CHECKING:
    import pyarrow as pa

_ATTEMPTS = 3
_Result = TypeVar("_Result")
_Row = TypeVar("_Row")
# Queries run without DuckDB's join order optimizer: it underestimates their rows, and would hash the larger side.
_IN_WRITTEN_JOIN_ORDER = frozenset({"marts/backfilled_weeks"})

_parsed: dict[str, list[tuple[duckdb.Statement, set[str]]]] = {}
atexit.register(_parsed.clear)  # DuckDB complains of statements that outlive it

Record = dict[str, Any]

WorkTables = Callable[[], Mapping[str, Sequence[tuple[str, str]]]]
"""Columns (name, DuckDB's type) by temporary table: those that a session of a server needs before a transaction."""


def runs_in_process(name: str) -> bool:
    """Whether a query runs in DuckDB in this process, on a document, rather than in the warehouse."""
    return re.match(r"documents/|\w+/stage_", name) is not None


class Answer(Protocol):
    """The result of a statement, as a cursor of the DB-API gives it."""

    @property
    def description(self) -> Sequence[Any] | None:
        """A sequence a column, its name first."""
        ...

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Every row."""
        ...

    def fetchmany(self, size: int, /) -> list[tuple[Any, ...]]:
        """The next so many rows; none at the end."""
        ...


class Session(ABC):
    """One connection to a warehouse, its times in UTC. Outside a transaction each statement commits by itself."""

    most_bytes: ClassVar[int | None] = None  # limit of one value in a statement; None is no limit

    @property
    @abstractmethod
    def documents(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB of this process that documents are read in. It holds this session's `stage_*` tables."""

    def run(self, name: str, parameters: dict[str, Any]) -> Answer:
        """Run a query of `sql/`, in DuckDB or in the warehouse, statement after statement; the last one's result."""
        if not runs_in_process(name):
            return self._run(name, parameters)
        run_in_duckdb(self.documents, name, parameters)
        return self.documents

    @abstractmethod
    def _run(self, name: str, parameters: dict[str, Any]) -> Answer:
        """Run a query in the warehouse."""

    @abstractmethod
    def read_arrow(self, name: str, parameters: dict[str, Any]) -> pa.Table:
        """Run a query of one statement in the warehouse; its rows, amounts as decimals and moments in UTC."""

    @abstractmethod
    def ask(self, text: str) -> pa.Table:
        """Run one SELECT in the engine's own dialect, in a session of `read_only`; its rows as `read_arrow` has them.

        Raises `QueryRefused` for any other statement, for several, and for what the engine rejects.
        """

    @abstractmethod
    def upload(self, tables: Iterable[str]) -> None:
        """Load these staged tables into the warehouse, for this session, in place of those loaded before."""

    @abstractmethod
    def count(self, table: str) -> int:
        """Rows of a table of schema `clari`."""

    def analyze(self, tables: Iterable[str]) -> None:  # noqa: B027 - most engines need none
        """Update the planner's statistics of tables of schema `clari`, where the engine does not do so by itself."""

    @abstractmethod
    def save(self, table: str, file: Path) -> None:
        """Write a table of schema `clari` to a Parquet file: amounts as decimals, moments in UTC."""

    @abstractmethod
    def arrow(self, table: str, columns: Sequence[str], where: str | None = None) -> pa.Table:
        """Columns of a table of schema `clari`, typed as in DuckDB: amounts as decimals, moments in UTC.

        `where` is a condition in DuckDB's SQL, which `dialects.condition` accepts. Call it within a transaction.
        """

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction."""

    @abstractmethod
    def commit(self) -> None:
        """Commit it."""

    @abstractmethod
    def rollback(self) -> None:
        """Roll it back. Raises nothing: the error before it is the one to report."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end, or roll back where something is raised."""
        self.begin()
        try:
            yield
            self.commit()
        except BaseException:
            self.rollback()
            raise

    @abstractmethod
    def lock(self, *what: str, shared: bool = False) -> AbstractContextManager[None]:
        """Hold the lock of this name within the context: exclusive, or `shared` with other shared holders.

        Take it outside a transaction, so that what its last holder committed is visible. Raises `WarehouseLocked`.
        """


def run(session: Session, name: str, **parameters: Any) -> Answer:
    """Run a query of `sql/`, statement after statement; each takes the parameters that it names. The last result."""
    return session.run(name, parameters)


def rows(session: Session, name: str, **parameters: Any) -> list[Record]:
    """Run a query; each row of its result as a dictionary by column."""
    answer = run(session, name, **parameters)
    columns = [column[0] for column in answer.description or ()]
    return [dict(zip(columns, values, strict=True)) for values in answer.fetchall()]


def row(session: Session, name: str, **parameters: Any) -> Record:
    """Run a query whose result is one row. Raises `ValueError` for any other number."""
    (only,) = rows(session, name, **parameters)
    return only


def rows_as(kind: type[_Row], session: Session, name: str, /, **parameters: Any) -> list[_Row]:
    """Run a query; each row of its result as a value of the dataclass `kind`.

    Raises `LookupError` where a field has no column. A column without a field is ignored: on a server, a newer release
    may have added it.
    """
    answer = run(session, name, **parameters)
    columns = {column[0]: place for place, column in enumerate(answer.description or ())}
    wanted = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # whoever calls it names a dataclass
    if missing := [field for field in wanted if field not in columns]:
        raise LookupError(f"{name} answers no {', '.join(missing)}, as {kind.__name__} has")
    return [kind(**{field: values[columns[field]] for field in wanted}) for values in answer.fetchall()]


def run_in_duckdb(connection: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any]) -> None:
    """Run a query of `sql/`, statement after statement; the connection holds the last one's result."""
    with _written_join_order(connection) if name in _IN_WRITTEN_JOIN_ORDER else nullcontext():
        for statement, wanted in statements_of(connection, text_of(name)):
            if wanted:
                connection.execute(statement, {key: parameters[key] for key in wanted})
            else:
                connection.execute(statement)


@contextmanager
def _written_join_order(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("set disabled_optimizers = 'join_order'")
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # the error before it is the one to report
            connection.execute("reset disabled_optimizers")


def statements_of(connection: duckdb.DuckDBPyConnection, text: str) -> list[tuple[duckdb.Statement, set[str]]]:
    """The statements of a text and the parameters that each names; parsed once a process."""
    if text not in _parsed:
        found = connection.extract_statements(text)
        _parsed[text] = [(statement, statement.named_parameters) for statement in found]
    return _parsed[text]


class Warehouse(ABC):
    """A database with the schema `clari`. Safe to use from several threads."""

    kind: ClassVar[Engine]
    read_pause_s: ClassVar[float] = 0.0  # pause between two read-only sessions, where an open one locks out writers

    @classmethod
    @abstractmethod
    def at(cls, url: SecretStr, *, data_dir: Path, work_tables: WorkTables) -> Self:
        """The warehouse of an address; nothing is opened yet. Raises `SettingsError`, without the secret.

        `data_dir` is where a server's warehouse keeps what this machine alone needs.
        """

    @property
    def engine(self) -> str:
        """The engine's short name."""
        return self.kind.name

    @property
    @abstractmethod
    def place(self) -> str:
        """Its address for people, without password."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """A folder on this machine, the same for every process that uses this warehouse from here."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether anything was ever written."""

    @abstractmethod
    def prepare(self) -> None:
        """Connect, migrate, and check that it can be written. Raises `WarehouseUnwritable`, `WarehouseLocked`."""

    @abstractmethod
    def session(self) -> AbstractContextManager[Session]:
        """A session of the caller's own, with the tables migrated to this release."""

    def kept_open(self) -> AbstractContextManager[None]:
        """Keep a file open between the sessions within the context: it saves time and locks out other processes.

        Only for work that does not wait for Clari. Nothing on a server.
        """
        return nullcontext()

    @abstractmethod
    def read_only(self) -> AbstractContextManager[Session | None]:
        """A read-only session, which neither writes nor waits; None where nothing was ever written.

        Raises `WarehouseLocked` or `WarehouseError`, whose messages do not contain its path on this machine.
        """

    def change_token(self) -> object | None:
        """A value that changes whenever something was written; None where the engine has none."""
        return None

    @abstractmethod
    def copied(self, file: Path) -> AbstractContextManager[Session]:
        """Copy all of it to a file, as it stands at one moment, and read that copy in the session.

        Where `Capabilities.is_copied` is false no file is written: the session reads the server, and blocks nobody.
        Raises `WarehouseError`, `OSError` or `duckdb.Error`.
        """

    def is_copied(self, file: Path) -> bool:
        """Whether a file is a copy of the present contents."""
        return False

    @abstractmethod
    def sending_lock(self, *, timeout_s: float) -> AbstractContextManager[None]:
        """An exclusive lock for the process that sends alerts, so that nobody is notified twice."""

    def with_retry(self, work: Callable[[Session], _Result]) -> _Result:
        """Do the work in a session. Retry it without DuckDB's memory limit after an `OutOfMemoryException`, and after
        `WarehouseInterrupted` in a new session, up to three in all.

        The work has to be idempotent: atomic where it fails, and checking first what is done already.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._with_memory_retry(work)
            except WarehouseInterrupted:
                pass
        return self._with_memory_retry(work)

    def _with_memory_retry(self, work: Callable[[Session], _Result]) -> _Result:
        with self.session() as session:
            try:
                return work(session)
            except duckdb.OutOfMemoryException:
                session.documents.execute("reset memory_limit")
                return work(session)

    @contextmanager
    def transaction(self, lock: str) -> Iterator[Session]:
        """A session with one transaction, under a lock."""
        with self.session() as session, session.lock(lock), session.transaction():
            yield session
