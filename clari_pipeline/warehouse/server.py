"""Base classes of the server engines: a pool of sessions, documents staged in an in-memory DuckDB, a migration once."""

import threading
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
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
    """A pooled connection, used by one caller at a time. `place` is what errors call the warehouse."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._documents: duckdb.DuckDBPyConnection | None = None
        self._open = ExitStack()

    @property
    def documents(self) -> duckdb.DuckDBPyConnection:
        """An in-memory DuckDB; what exceeds its memory limit is spilled into a folder, removed at `release`."""
        if self._documents is None:
            spill = self._open.enter_context(TemporaryDirectory(prefix="clari-documents-"))
            connection = duckdb.connect(config=CONFIG | {"temp_directory": spill})
            self._documents = self._open.enter_context(closing(connection))
            connection.execute("set timezone = 'UTC'")
        return self._documents

    def save(self, table: str, file: Path) -> None:
        """Write a table of schema `clari` to a Parquet file, `ROWS_AT_ONCE` rows at a time, typed as in DuckDB."""
        schema = arrow_schemas()[table]
        with pq.ParquetWriter(file, schema) as writer:
            for rows in self._read(table, schema.names, None):
                writer.write_batch(_batch(rows, schema))

    def arrow(self, table: str, columns: Sequence[str], where: str | None = None) -> pa.Table:
        """Columns of a table of schema `clari`, read `ROWS_AT_ONCE` rows at a time."""
        known = arrow_schemas()[table]
        schema = pa.schema([known.field(column) for column in columns])
        return pa.Table.from_batches((_batch(rows, schema) for rows in self._read(table, columns, where)), schema)

    def read_arrow(self, name: str, parameters: dict[str, Any]) -> pa.Table:
        """Run a query of one statement."""
        answer = self._run(name, parameters)
        return self._to_arrow(answer.description or (), iter(lambda: answer.fetchmany(ROWS_AT_ONCE), []))

    def _to_arrow(self, description: Sequence[Any], chunks: Iterable[Rows]) -> pa.Table:
        """Rows as Arrow; a column whose type the cursor does not know gets that of its values, once all are there."""
        kinds = [self._arrow_type(column) for column in description]
        found: list[list[Any]] = [[] for _ in kinds]
        for rows in chunks:
            for kind, values, parts in zip(kinds, zip(*rows, strict=True), found, strict=True):
                parts.append(values if kind is None else pa.array(values, kind))
        arrays = [
            pa.array([value for part in parts for value in part]) if kind is None else pa.chunked_array(parts, kind)
            for kind, parts in zip(kinds, found, strict=True)
        ]
        return pa.Table.from_arrays(arrays, [column[0] for column in description])

    @abstractmethod
    def _arrow_type(self, column: Any) -> pa.DataType | None:
        """The Arrow type of a column of a cursor's description; None where its values are to decide."""

    @abstractmethod
    def _read(self, table: str, columns: Sequence[str], where: str | None) -> Iterator[Rows]:
        """Rows of a table of schema `clari` that meet a condition in DuckDB's SQL, at most `ROWS_AT_ONCE` at a time."""

    @abstractmethod
    def lock(self, *what: str, shared: bool = False, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """As of `Session`; `timeout_s` replaces the warehouse's `lock_wait_s`."""

    @abstractmethod
    def has_tables(self) -> bool:
        """Whether the tables exist."""

    def refuse_writes(self) -> None:
        """Make the session read-only, where the server can."""

    def read_one_moment(self) -> None:
        """Begin a read-only transaction in which every statement reads the same snapshot, where the server can."""

    @abstractmethod
    def is_usable(self) -> bool:
        """Whether an idle session still works; called before each reuse, and sets it up."""

    @property
    @abstractmethod
    def is_lost(self) -> bool:
        """Whether its connection is lost, so that it must not go back to the pool."""

    def release(self) -> None:
        """Drop documents and settings of the last caller; the connection stays open."""
        self._open.close()
        self._documents = None

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""


def _batch(rows: Rows, schema: pa.Schema) -> pa.RecordBatch:
    by_column = zip(zip(*rows, strict=True), schema, strict=True)
    return pa.record_batch([pa.array(values, field.type) for values, field in by_column], schema=schema)


_AnySession = TypeVar("_AnySession", bound=ServerSession)


class ServerWarehouse(Warehouse, Generic[_AnySession]):
    """One schema `clari` on a server. Safe to use from several threads.

    `connect_retry_s` is for how long to retry connecting to a server that is restarting, `lock_wait_s` the timeout of
    locks.
    """

    most_idle: ClassVar[int] = 0  # connections that stay open while the warehouse is unused

    def __init__(self, place: str, *, data_dir: Path, connect_retry_s: float, lock_wait_s: float) -> None:
        self._place = place
        self._data_dir = data_dir
        self._connect_retry_s = connect_retry_s
        self._lock_wait_s = lock_wait_s
        self._guard = threading.Lock()
        self._idle: list[_AnySession] = []
        self._users = 0
        self._has_connected = self._is_prepared = False

    @property
    def place(self) -> str:
        """Server and database."""
        return self._place

    @property
    def folder(self) -> Path:
        """`CLARI_DATA_DIR`."""
        return self._data_dir

    def exists(self) -> bool:
        """Whether the tables exist."""
        with self._leased() as session:
            return session.has_tables()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session of one's own, its times in UTC, the tables made."""
        with self._prepared() as session:
            yield session

    @contextmanager
    def copied(self, file: Path) -> Iterator[Session]:
        """No file: a session that reads one snapshot of the server, and blocks nobody."""
        with self._prepared() as session:
            session.read_one_moment()
            yield session

    @contextmanager
    def sending_lock(self, *, timeout_s: float) -> Iterator[None]:
        """A lock on the server, so that it excludes other machines, too."""
        with self._prepared() as session, session.lock("sending", timeout_s=timeout_s):
            yield

    @contextmanager
    def read_only(self) -> Iterator[Session | None]:
        """A session that creates no tables, read-only where the server can; None where there are no tables.

        Raises `WarehouseError`.
        """
        try:
            with self._leased(may_retry=False, shown_as=self.kind.title) as session:
                if session.has_tables():
                    session.refuse_writes()
                    yield session
                else:
                    yield None
        except WarehouseError as error:
            raise WarehouseError(f"{error}; or run clari-pipeline sync") from error

    @abstractmethod
    def _connect(self, place: str) -> _AnySession:
        """A new session, whose errors call the warehouse `place`. Raises `WarehouseError`."""

    @abstractmethod
    def _make_tables(self, session: _AnySession) -> bool:
        """Migrate the tables to this release where the role is allowed to. Returns whether they are of this release."""

    @contextmanager
    def _prepared(self) -> Iterator[_AnySession]:
        with self._leased() as session:
            if not self._is_prepared:
                self._is_prepared = self._make_tables(session)
            yield session

    @contextmanager
    def _leased(self, *, may_retry: bool = True, shown_as: str | None = None) -> Iterator[_AnySession]:
        """A session from the pool, or a new one; afterwards it goes back to the pool, unless its connection is lost."""
        with self._guard:
            self._users += 1
        session = None
        try:
            session = self._idle_one(shown_as) or self._connect_with_retry(shown_as, may_retry=may_retry)
            yield session
        finally:
            if session is not None and not session.is_lost:
                session.release()
            with self._guard:
                self._users -= 1
                if session is not None:
                    self._idle.append(session)
                to_close = [one for one in self._idle if one.is_lost]
                kept = [one for one in self._idle if not one.is_lost]
                if not self._users:
                    to_close += kept[self.most_idle :]
                    del kept[self.most_idle :]
                self._idle = kept
            for one in to_close:
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

    def _connect_with_retry(self, shown_as: str | None, *, may_retry: bool) -> _AnySession:
        """A new session; connecting to a server that is restarting is retried for `connect_retry_s`."""

        def is_transient(error: Exception) -> bool:
            return isinstance(error, WarehouseInterrupted) or (
                self._has_connected and isinstance(error, WarehouseError) and error.is_unreachable
            )

        for attempt in retry_context(
            on=is_transient,
            attempts=None if may_retry else 1,
            timeout=self._connect_retry_s,
            wait_initial=0.1,
            wait_max=1,
        ):
            with attempt:
                session = self._connect(shown_as or self._place)
                self._has_connected = True
                return session
        raise AssertionError("unreachable")
