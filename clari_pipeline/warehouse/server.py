"""What warehouses on servers share: pooled sessions, documents read by DuckDB in this process, tables made once."""

import threading
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Generic, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from clari_pipeline.core.retrying import retry_context
from clari_pipeline.warehouse.duckdb.engine import arrow_schemas
from clari_pipeline.warehouse.duckdb.file import CONFIG
from clari_pipeline.warehouse.errors import WarehouseError, WarehouseInterrupted
from clari_pipeline.warehouse.session import Session, Warehouse

ROWS_AT_ONCE = 20_000

Rows = Sequence[tuple[Any, ...]]


class ServerSession(Session):
    """A connection of its own, used by one after the other. `place` is what errors call the warehouse."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._documents: duckdb.DuckDBPyConnection | None = None
        self._open = ExitStack()

    @property
    def documents(self) -> duckdb.DuckDBPyConnection:
        """DuckDB in memory; what does not fit is spilled into a folder that goes with the session."""
        if self._documents is None:
            spill = self._open.enter_context(TemporaryDirectory(prefix="clari-documents-"))
            connection = duckdb.connect(config=CONFIG | {"temp_directory": spill})
            self._documents = self._open.enter_context(closing(connection))
            connection.execute("set timezone = 'UTC'")
        return self._documents

    def save(self, table: str, file: Path) -> None:
        """Every row of a table of schema `clari`, some rows at a time, typed as DuckDB has it."""
        schema = arrow_schemas()[table]
        with pq.ParquetWriter(file, schema) as writer:
            for rows in self._read(table, schema.names):
                by_column = zip(zip(*rows, strict=True), schema, strict=True)
                arrays = [pa.array(values, field.type) for values, field in by_column]
                writer.write_batch(pa.record_batch(arrays, schema=schema))

    @abstractmethod
    def _read(self, table: str, columns: Sequence[str]) -> Iterator[Rows]:
        """Columns of a table of schema `clari`, at most `ROWS_AT_ONCE` rows at a time."""

    @abstractmethod
    def lock(self, *what: str, shared: bool = False, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """The same; `timeout_s` is how long to wait for it, if not as long as usual."""

    @abstractmethod
    def has_tables(self) -> bool:
        """Whether the tables were ever made."""

    def refuse_writes(self) -> None:
        """Let the server refuse to write in this session, where it can."""

    def read_one_moment(self) -> None:
        """Let every statement from here on see the same moment, where the server can."""

    @abstractmethod
    def is_usable(self) -> bool:
        """Whether it can be used by the next; asked before it is, and makes it ready."""

    @property
    @abstractmethod
    def is_lost(self) -> bool:
        """Whether nothing more is to be expected of it."""

    def release(self) -> None:
        """Forget documents and whatever was set for whom it was used by; the connection stays."""
        self._open.close()
        self._documents = None

    @abstractmethod
    def close(self) -> None:
        """Leave nothing behind."""


_AnySession = TypeVar("_AnySession", bound=ServerSession)


class ServerWarehouse(Warehouse, Generic[_AnySession]):
    """One schema `clari` on a server. Safe to use from several threads.

    `patience_s` is for how long to go on connecting to a server that gives way, `lock_wait_s` for how long to wait for
    a lock.
    """

    most_idle: ClassVar[int] = 0  # connections that stay open though nobody uses the warehouse

    def __init__(self, place: str, *, data_dir: Path, patience_s: float, lock_wait_s: float) -> None:
        self._place = place
        self._data_dir = data_dir
        self._patience_s = patience_s
        self._lock_wait_s = lock_wait_s
        self._guard = threading.Lock()
        self._idle: list[_AnySession] = []
        self._users = 0
        self._was_there = self._is_prepared = False

    @property
    def place(self) -> str:
        """Server and database."""
        return self._place

    @property
    def folder(self) -> Path:
        """`CLARI_DATA_DIR`."""
        return self._data_dir

    def exists(self) -> bool:
        """Whether the tables were ever made."""
        with self._leased() as session:
            return session.has_tables()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session of one's own, its times in UTC, the tables made."""
        with self._prepared() as session:
            yield session

    @contextmanager
    def copied(self, file: Path) -> Iterator[Session]:
        """No file: a session that reads the server and keeps nobody waiting."""
        with self._prepared() as session:
            session.read_one_moment()
            yield session

    @contextmanager
    def sending_lock(self, *, timeout_s: float) -> Iterator[None]:
        """A lock on the server: whoever sends from elsewhere waits, too."""
        with self._prepared() as session, session.lock("sending", timeout_s=timeout_s):
            yield

    @contextmanager
    def read_only(self) -> Iterator[Session | None]:
        """A session that makes nothing, and writes nothing where the server can refuse it."""
        try:
            with self._leased(is_patient=False, shown_as=self.kind.title) as session:
                if session.has_tables():
                    session.refuse_writes()
                    yield session
                else:
                    yield None
        except WarehouseError as error:
            raise WarehouseError(f"{error}; or run clari-pipeline sync") from error

    @abstractmethod
    def _connect(self, place: str) -> _AnySession:
        """A new session, whose errors call the warehouse so."""

    @abstractmethod
    def _make_tables(self, session: _AnySession) -> bool:
        """Make the tables unless they are of this release; whether they are now. One that may not leaves them."""

    @contextmanager
    def _prepared(self) -> Iterator[_AnySession]:
        with self._leased() as session:
            if not self._is_prepared:
                self._is_prepared = self._make_tables(session)
            yield session

    @contextmanager
    def _leased(self, *, is_patient: bool = True, shown_as: str | None = None) -> Iterator[_AnySession]:
        """A session; while others are in use it is kept for the next who asks."""
        with self._guard:
            self._users += 1
        session = None
        try:
            session = self._idle_one(shown_as) or self._connect_patiently(shown_as, is_patient=is_patient)
            yield session
        finally:
            if session is not None and not session.is_lost:
                session.release()
            with self._guard:
                self._users -= 1
                if session is not None:
                    self._idle.append(session)
                ended = [one for one in self._idle if one.is_lost]
                kept = [one for one in self._idle if not one.is_lost]
                if not self._users:
                    ended += kept[self.most_idle :]
                    del kept[self.most_idle :]
                self._idle = kept
            for one in ended:
                one.close()

    def _idle_one(self, shown_as: str | None) -> _AnySession | None:
        while True:
            with self._guard:
                if not self._idle:
                    return None
                session = self._idle.pop()
            session.place = shown_as or self._place
            if session.is_usable():
                return session
            session.close()

    def _connect_patiently(self, shown_as: str | None, *, is_patient: bool) -> _AnySession:
        """A new session. A server that is just being started again is waited for, though not for long."""

        def may_pass(error: Exception) -> bool:
            return isinstance(error, WarehouseInterrupted) or (
                self._was_there and isinstance(error, WarehouseError) and error.is_unreachable
            )

        for attempt in retry_context(
            on=may_pass,
            attempts=None if is_patient else 1,
            timeout=self._patience_s,
            wait_initial=0.1,
            wait_max=1,
        ):
            with attempt:
                session = self._connect(shown_as or self._place)
                self._was_there = True
                return session
        raise AssertionError("unreachable")
