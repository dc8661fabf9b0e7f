"""What every warehouse can do, whatever its engine: sessions, transactions, turns.

One rule says where a statement runs: those of `sql/documents/` in DuckDB, in this process; all others in the
warehouse. A document is read and judged in the first place, its staged tables are then brought to the second.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import duckdb

from clari_pipeline.warehouse.errors import WarehouseInterrupted
from clari_pipeline.warehouse.in_duckdb import run_in_duckdb

_DOCUMENTS = "documents/"
_TRIES = 3
_Result = TypeVar("_Result")


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
    """One conversation with a warehouse, its times in UTC. Outside a transaction each statement is kept as it ends."""

    most_bytes: ClassVar[int | None] = None  # that a statement can carry in one value

    @property
    @abstractmethod
    def documents(self) -> duckdb.DuckDBPyConnection:
        """Where documents are read: DuckDB, in this process. It holds this session's `stage_*` tables."""

    def run(self, name: str, parameters: dict[str, Any]) -> Answer:
        """Run `sql/<name>.sql` where it belongs, statement after statement; the last one's result."""
        if not name.startswith(_DOCUMENTS):
            return self._run(name, parameters)
        run_in_duckdb(self.documents, name, parameters)
        return self.documents

    @abstractmethod
    def _run(self, name: str, parameters: dict[str, Any]) -> Answer:
        """The same in the warehouse."""

    @abstractmethod
    def upload(self, tables: Iterable[str]) -> None:
        """Bring these staged tables into the warehouse, for this session, in place of those brought before."""

    @abstractmethod
    def count(self, table: str) -> int:
        """Rows of a table of schema `clari`."""

    @abstractmethod
    def analyze(self, tables: Iterable[str]) -> None:
        """Let the engine see how large these tables of schema `clari` have become, before they are joined."""

    @abstractmethod
    def save(self, table: str, file: Path) -> None:
        """Every row of a table of schema `clari` as a Parquet file: amounts as decimals, moments in UTC."""

    @abstractmethod
    def begin(self) -> None:
        """From here on all is kept together, or nothing."""

    @abstractmethod
    def commit(self) -> None:
        """Keep it."""

    @abstractmethod
    def rollback(self) -> None:
        """Keep none of it. Raises nothing: what went wrong before is what people are to hear of."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is done meanwhile is kept as a whole, or not at all."""
        self.begin()
        try:
            yield
            self.commit()
        except BaseException:
            self.rollback()
            raise

    @abstractmethod
    def lock(self, *what: str, shared: bool = False) -> AbstractContextManager[None]:
        """Be the only one who does this meanwhile, or one of those who share it; whoever comes later waits.

        To be begun outside a transaction, so that what the others have kept is seen in it. Raises `WarehouseLocked`.
        """


class Warehouse(ABC):
    """Where the schema `clari` lives. Safe to use from several threads."""

    engine: ClassVar[str]

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is, for people: never a password."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """A folder on this machine, the same for all who use this warehouse from here."""

    @property
    @abstractmethod
    def made_of(self) -> str:
        """What the tables are made of by this release; `warehouse_version` says it of those that are there."""

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
        """Between the sessions of this while nobody else gets in, where it costs something to let them: for work that
        waits for nothing outside.
        """
        return nullcontext()

    read_pause_s: ClassVar[float] = 0.0  # between two glances: somebody who would write meanwhile is to get his turn

    @abstractmethod
    def read_only(self) -> AbstractContextManager[Session | None]:
        """A session that makes and changes nothing and waits for nobody; None where nothing was ever written.

        Raises `WarehouseLocked` or `WarehouseError`, neither of which says where on this machine the warehouse is.
        """

    def change_token(self) -> object | None:
        """What changes whenever something is written; None where that cannot be said without reading."""
        return None

    @abstractmethod
    def copied(self, file: Path) -> AbstractContextManager[Session]:
        """Copy all of it to a file, as it stands at one moment, and read that copy in the session.

        Where a server holds it no file is made: readers never wait there, and the session reads the server at one
        moment. Raises `WarehouseError`, `OSError` or `duckdb.Error`.
        """

    def is_copied(self, file: Path) -> bool:
        """Whether a file is a copy of all that stands now."""
        return False

    @abstractmethod
    def sending_lock(self, *, timeout_s: float) -> AbstractContextManager[None]:
        """Only one process at a time sends alerts: nobody is to be told twice."""

    def with_retry(self, work: Callable[[Session], _Result]) -> _Result:
        """Do the work in a session. What does not fit into DuckDB's memory is done again with the machine's, what was
        interrupted once more in a new session.

        The work has to leave nothing half done where it fails, and to look first at what is done already.
        """
        for _ in range(_TRIES - 1):
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
    def transaction(self, turn: str) -> Iterator[Session]:
        """A session whose work is kept as a whole, or not at all; one at a time of those who name the same turn."""
        with self.session() as session, session.lock(turn), session.transaction():
            yield session
