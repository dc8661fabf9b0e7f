"""The interface of every engine: warehouses and their sessions, with transactions and locks, and the statements of
`sql/`, found by name, that a session runs with named parameters.

One rule says where a statement runs: those of `sql/documents/`, and of other topics those called `stage_*`, in DuckDB,
in this process; all others in the warehouse. A document is read and judged in the first place, its staged tables are
then brought to the second.
"""

import atexit
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

import duckdb
from pydantic import SecretStr

from clari_pipeline.core.queries import text_of
from clari_pipeline.warehouse.capabilities import Engine
from clari_pipeline.warehouse.errors import WarehouseInterrupted

_ATTEMPTS = 3
_Result = TypeVar("_Result")
_Row = TypeVar("_Row")
# It guesses that a thousandth of the rows is left after a few joins, and would put the larger side into memory.
_JOINED_AS_WRITTEN = frozenset({"marts/backfilled_weeks"})

_parsed: dict[str, list[tuple[duckdb.Statement, set[str]]]] = {}
atexit.register(_parsed.clear)  # DuckDB complains of statements that outlive it

Record = dict[str, Any]

WorkTables = Callable[[], Mapping[str, Sequence[tuple[str, str]]]]
"""Name and DuckDB's type of each column, by the temporary tables that every session may fill."""


def runs_in_process(name: str) -> bool:
    """Whether a query is about a document that is being read, and not about the warehouse's tables."""
    return re.match(r"documents/|\w+/stage_", name) is not None


class Answer(Protocol):
    """The result of a statement."""

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

    most_bytes: ClassVar[int | None] = None  # of one value that a statement can carry; None is any number

    @property
    @abstractmethod
    def documents(self) -> duckdb.DuckDBPyConnection:
        """Where documents are read: DuckDB, in this process. It holds this session's `stage_*` tables."""

    def run(self, name: str, parameters: dict[str, Any]) -> Answer:
        """Run `sql/<name>.sql` where it belongs, statement after statement; the last one's result."""
        if not runs_in_process(name):
            return self._run(name, parameters)
        run_in_duckdb(self.documents, name, parameters)
        return self.documents

    @abstractmethod
    def _run(self, name: str, parameters: dict[str, Any]) -> Answer:
        """The same in the warehouse."""

    @abstractmethod
    def upload(self, tables: Iterable[str]) -> None:
        """Load these staged tables into the warehouse, for this session, in place of those loaded before."""

    @abstractmethod
    def count(self, table: str) -> int:
        """Rows of a table of schema `clari`."""

    def analyze(self, tables: Iterable[str]) -> None:  # noqa: B027 - most engines know
        """Let the engine see how large these tables of schema `clari` have become, before they are joined."""

    @abstractmethod
    def save(self, table: str, file: Path) -> None:
        """Every row of a table of schema `clari` as a Parquet file: amounts as decimals, moments in UTC."""

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
        """Hold the lock of this name meanwhile, alone or with others who share it; whoever comes later waits.

        To be taken outside a transaction, so that what its last holder committed is seen. Raises `WarehouseLocked`.
        """


def run(session: Session, name: str, **parameters: Any) -> Answer:
    """Run a query of `sql/`, statement after statement; each takes the parameters that it names. The last result."""
    return session.run(name, parameters)


def rows(session: Session, name: str, **parameters: Any) -> list[Record]:
    """What a query answers, a dictionary a row."""
    answer = run(session, name, **parameters)
    columns = [column[0] for column in answer.description or ()]
    return [dict(zip(columns, values, strict=True)) for values in answer.fetchall()]


def row(session: Session, name: str, **parameters: Any) -> Record:
    """The one row that a query answers."""
    (only,) = rows(session, name, **parameters)
    return only


def rows_as(kind: type[_Row], session: Session, name: str, /, **parameters: Any) -> list[_Row]:
    """What a query answers, a value of this dataclass a row. Raises `LookupError` where a field has no column.

    A column without a field is left out: on a server, a newer release may have added it already.
    """
    answer = run(session, name, **parameters)
    columns = {column[0]: place for place, column in enumerate(answer.description or ())}
    wanted = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # whoever calls it names a dataclass
    if missing := [field for field in wanted if field not in columns]:
        raise LookupError(f"{name} answers no {', '.join(missing)}, as {kind.__name__} has")
    return [kind(**{field: values[columns[field]] for field in wanted}) for values in answer.fetchall()]


def run_in_duckdb(connection: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any]) -> None:
    """Run a query of `sql/`, statement after statement; the connection holds the last one's result."""
    with _joined_as_written(connection) if name in _JOINED_AS_WRITTEN else nullcontext():
        for statement, wanted in _statements(connection, text_of(name)):
            if wanted:
                connection.execute(statement, {key: parameters[key] for key in wanted})
            else:
                connection.execute(statement)


@contextmanager
def _joined_as_written(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("set disabled_optimizers = 'join_order'")
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # the error before it is the one to report
            connection.execute("reset disabled_optimizers")


def _statements(connection: duckdb.DuckDBPyConnection, text: str) -> list[tuple[duckdb.Statement, set[str]]]:
    """The statements of a text and the parameters that each names; parsed once a process."""
    if text not in _parsed:
        found = connection.extract_statements(text)
        _parsed[text] = [(statement, statement.named_parameters) for statement in found]
    return _parsed[text]


class Warehouse(ABC):
    """Where the schema `clari` lives. Safe to use from several threads."""

    kind: ClassVar[Engine]
    read_pause_s: ClassVar[float] = 0.0  # between two read-only sessions, where an open one keeps writers out

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
        """Where it is, for people: never a password."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """A folder on this machine, the same for all who use this warehouse from here."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether anything was ever written."""

    @abstractmethod
    def prepare(self) -> None:
        """Make sure that what comes can be written. Raises `WarehouseUnwritable`, `WarehouseLocked`."""

    @abstractmethod
    def session(self) -> AbstractContextManager[Session]:
        """A session of one's own, the tables made."""

    def kept_open(self) -> AbstractContextManager[None]:
        """Stay connected between the sessions opened meanwhile, where that saves time and keeps others out: for work
        that waits for nothing outside.
        """
        return nullcontext()

    @abstractmethod
    def read_only(self) -> AbstractContextManager[Session | None]:
        """A read-only session, which changes nothing and waits for nobody; None where nothing was ever written.

        Raises `WarehouseLocked` or `WarehouseError`, neither of which says where on this machine the warehouse is.
        """

    def change_token(self) -> object | None:
        """A value that differs whenever something was written; None where only reading would tell."""
        return None

    @abstractmethod
    def copied(self, file: Path) -> AbstractContextManager[Session]:
        """Copy all of it to a file, as it stands at one moment, and read that copy in the session.

        Where `Capabilities.is_copied` is false no file is made: the session reads the server, keeping nobody waiting.
        Raises `WarehouseError`, `OSError` or `duckdb.Error`.
        """

    def is_copied(self, file: Path) -> bool:
        """Whether a file is a copy of all that stands now."""
        return False

    @abstractmethod
    def sending_lock(self, *, timeout_s: float) -> AbstractContextManager[None]:
        """Held by the one process that sends alerts, so that nobody is notified twice."""

    def with_retry(self, work: Callable[[Session], _Result]) -> _Result:
        """Do the work in a session; retry it without DuckDB's memory limit where that did not suffice, and in a new
        session, up to three in all, where the server interrupted it.

        The work has to leave nothing half done where it fails, and to look first at what is done already.
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
