"""A PostgreSQL server as the warehouse: the same statements, carried; documents by bulk load."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import adbc_driver_manager
import duckdb
import psycopg
from psycopg import sql
from psycopg.types.string import TextLoader
from pydantic import SecretStr

from clari_pipeline.core.retrying import retry_context
from clari_pipeline.warehouse.dialects import carried
from clari_pipeline.warehouse.duckdb.file import CONFIG
from clari_pipeline.warehouse.errors import WarehouseError, WarehouseInterrupted, WarehouseLocked, WarehouseUnwritable
from clari_pipeline.warehouse.postgres.address import read_address
from clari_pipeline.warehouse.postgres.errors import told
from clari_pipeline.warehouse.postgres.staged import Staged
from clari_pipeline.warehouse.postgres.tables import are_made, has_tables, make, may_be_made, refuse_encoding
from clari_pipeline.warehouse.saving import ROWS_AT_ONCE, save
from clari_pipeline.warehouse.session import Answer, Session, Warehouse
from clari_pipeline.warehouse.statements import sha256_of

_OLDEST = 15

# Statements are few and large. A nested loop over a common table expression, which nothing counts beforehand, takes
# minutes where a hash join takes a second, and so does a merge join by a key's first part alone; to compile a statement
# takes longer than to run it. How large tables are says more here than which values are common: a small sample does.
_SETTINGS = (
    b"set timezone = 'UTC'; set datestyle = 'ISO'; "
    b"set enable_nestloop = off; set enable_mergejoin = off; set jit = off; "
    b"set work_mem = '64MB'; set default_statistics_target = 20"
)

# A machine that vanishes ends nothing: the server asks, and gives its turns to others. What the address, the role or
# the database says of it stands; a socket on one machine knows none of it.
_KEPT_ALIVE = (
    b"select set_config(name, wanted, false) from pg_settings inner join (values ('tcp_keepalives_idle', '30'), "
    b"('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3')) as ours (setting_name, wanted) "
    b"on setting_name = name where source not in ('client', 'user', 'database', 'database user')"
)


class PostgresSession(Session):
    """A connection of its own; documents are read by DuckDB in this process and brought there by `Staged`."""

    def __init__(
        self, connection: psycopg.Connection[Any], place: str, staged: Staged, *, lock_wait_s: float
    ) -> None:
        self.connection = connection
        self._place = place
        self._staged = staged
        self._turn_timeout_s = lock_wait_s
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

    def _run(self, name: str, parameters: dict[str, Any]) -> Answer:
        with self.translated():
            cursor = self.connection.cursor()
            for statement in carried(name, "postgres"):
                cursor.execute(statement.encode(), parameters)
        return cursor

    def upload(self, tables: Iterable[str]) -> None:
        """By COPY, into tables that this session alone sees under their names."""
        with self.translated():
            self._staged.bring(self.connection, self.documents, tables)

    def count(self, table: str) -> int:
        """Rows of a table of schema `clari`."""
        with self.translated():
            counted = sql.SQL("select count(*) from clari.{}").format(sql.Identifier(table))
            found = self.connection.execute(counted).fetchone()
        return int(found[0]) if found else 0

    def analyze(self, tables: Iterable[str]) -> None:
        """Its own daemon comes minutes later, and joins of a million rows are planned as if there were none."""
        with self.translated():
            for table in tables:
                self.connection.execute(sql.SQL("analyze clari.{}").format(sql.Identifier(table)))

    def save(self, table: str, file: Path) -> None:
        """Every row of a table of schema `clari`, a part at a time, typed as DuckDB has it. Within a transaction."""

        def read(columns: Sequence[str]) -> Iterator[Sequence[tuple[Any, ...]]]:
            named = sql.SQL(", ").join(map(sql.Identifier, columns))
            with self.connection.cursor(name="saved") as cursor:
                cursor.execute(sql.SQL("select {} from clari.{}").format(named, sql.Identifier(table)))
                while found := cursor.fetchmany(ROWS_AT_ONCE):
                    yield found

        with self.translated():
            save(table, file, read)

    def begin(self) -> None:
        """From here on all is kept together, or nothing. Each statement sees what others have kept by then."""
        self._tell("begin isolation level read committed")

    def commit(self) -> None:
        """Keep it. Where the connection is lost meanwhile nobody knows whether it was kept: the ledger tells."""
        self._tell("commit")

    def rollback(self) -> None:
        """Keep none of it. A connection that is lost has kept nothing either."""
        with suppress(psycopg.Error):
            self.connection.execute("rollback")

    @contextmanager
    def lock(self, *what: str, shared: bool = False) -> Iterator[None]:
        """An advisory lock, which ends with the connection at the latest."""
        key = _key("turn", *what)
        kind = "_shared" if shared else ""
        with self.translated(" ".join(what)):
            patience = f"{self._turn_timeout_s * 1000:.0f}"
            self.connection.execute("select set_config('lock_timeout', %s, false)", [patience])
            self.connection.execute(f"select pg_advisory_lock{kind}(%s)".encode(), [key])
            self.connection.execute("reset lock_timeout")
        try:
            yield
        finally:
            with suppress(psycopg.Error):
                self.connection.execute(f"select pg_advisory_unlock{kind}(%s)".encode(), [key])

    def close(self) -> None:
        """Leave nothing of this session behind on the server."""
        self._open.close()
        with suppress(psycopg.Error):
            self.connection.execute("rollback")
            self._staged.forget(self.connection)
            self.connection.execute("discard all")

    def _tell(self, statement: str) -> None:
        with self.translated():
            self.connection.execute(statement.encode())

    @contextmanager
    def translated(self, turn: str | None = None) -> Iterator[None]:
        """Errors of the driver meanwhile as this pipeline's; `turn` is what is waited for."""
        with translated(self._place, self.connection, turn):
            yield


class PostgresWarehouse(Warehouse):
    """One schema `clari` on a server, 15 or newer. Safe to use from several threads."""

    engine = "postgres"

    def __init__(
        self,
        url: SecretStr,
        *,
        data_dir: Path,
        patience_s: float = 5,
        lock_wait_s: float = 1800,
        lock_timeout_s: float = 10,
    ) -> None:
        self._conninfo, self._place = read_address(url)
        self._data_dir = data_dir
        self._patience_s = patience_s
        self._turn_timeout_s = lock_wait_s
        self._lock_timeout_s = lock_timeout_s
        self._guard = threading.Lock()
        self._idle: list[psycopg.Connection[Any]] = []
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

    @property
    def made_of(self) -> str:
        """The definitions in `sql/schema/`, and this engine's own functions."""
        return sha256("".join((sha256_of("schema"), *carried("schema/clari", "postgres"))).encode()).hexdigest()

    def exists(self) -> bool:
        """Whether the tables were ever made."""
        with self._connected() as connection:
            return self._has_tables(connection)

    def prepare(self) -> None:
        """Connect, make the tables, and see that they may be written."""
        with self._connected() as connection:
            refuse_encoding(connection, self._place)
        with self.session() as session:
            assert isinstance(session, PostgresSession)
            with translated(self._place, session.connection):
                found = session.connection.execute(
                    "select current_user, pg_is_in_recovery(), has_schema_privilege('clari', 'create') "
                    "and has_database_privilege(current_database(), 'temporary') "
                    "and has_table_privilege('clari.export_job', 'insert, update')"
                ).fetchone()
        user, is_copy, is_allowed = found or ("", False, False)
        if is_copy:
            raise WarehouseUnwritable(
                f"warehouse {self._place} is a copy that can only be read: name the primary in CLARI_WAREHOUSE_URL"
            )
        if not is_allowed:
            raise WarehouseUnwritable(
                f"warehouse {self._place}: the role {user} may not write schema clari: let CLARI_WAREHOUSE_URL name "
                "the writer, or grant what docs/postgres-roles.sql grants it"
            )

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A connection of one's own, its times in UTC, the tables made."""
        with self._session(self._turn_timeout_s) as session:
            yield session

    @contextmanager
    def copied(self, file: Path) -> Iterator[Session]:
        """No file: a session that sees the server as it stood when it was first asked, and keeps nobody waiting."""
        with self._session(self._turn_timeout_s) as session:
            session.connection.execute("begin isolation level repeatable read read only")
            yield session

    @contextmanager
    def sending_lock(self, *, timeout_s: float) -> Iterator[None]:
        """A turn on the server: whoever sends from elsewhere waits, too."""
        with self._session(timeout_s) as session, session.lock("sending"):
            yield

    @contextmanager
    def read_only(self) -> Iterator[Session | None]:
        """A connection that may only read."""
        try:
            with self._connected(is_patient=False) as connection:
                if not self._has_tables(connection):
                    yield None
                    return
                connection.execute("set default_transaction_read_only = on")
                with self._leased(connection, self._turn_timeout_s) as session:
                    yield session
        except WarehouseError as error:
            raise WarehouseError(
                f"{str(error).replace(self._place, 'PostgreSQL')}; or run clari-pipeline sync"
            ) from error

    @contextmanager
    def _session(self, lock_wait_s: float) -> Iterator[PostgresSession]:
        with self._connected() as connection, self._leased(connection, lock_wait_s) as session:
            self._prepare(session)
            yield session

    @contextmanager
    def _leased(self, connection: psycopg.Connection[Any], lock_wait_s: float) -> Iterator[PostgresSession]:
        session = PostgresSession(connection, self._place, Staged(self._conninfo), lock_wait_s=lock_wait_s)
        with closing(session):
            yield session

    @contextmanager
    def _connected(self, *, is_patient: bool = True) -> Iterator[psycopg.Connection[Any]]:
        """A connection; while others are in use it is kept for the next who asks."""
        with self._guard:
            self._users += 1
        connection = None
        try:
            connection = self._idle_one() or self._connect(is_patient=is_patient)
            yield connection
        finally:
            with self._guard:
                self._users -= 1
                if connection is not None and not connection.closed:
                    self._idle.append(connection)
                ended = [] if self._users else self._idle
                if not self._users:
                    self._idle = []
            for one in ended:
                one.close()

    def _idle_one(self) -> psycopg.Connection[Any] | None:
        while True:
            with self._guard:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            with suppress(psycopg.Error):
                _set_up(connection)
                return connection
            connection.close()

    def _connect(self, *, is_patient: bool) -> psycopg.Connection[Any]:
        """A new connection. A server that is just being started again is waited for, though not for long."""
        passing = (WarehouseInterrupted, _Refused) if self._was_there else WarehouseInterrupted
        for attempt in retry_context(
            on=passing,
            attempts=None if is_patient else 1,
            timeout=self._patience_s,
            wait_initial=0.1,
            wait_max=1,
        ):
            with attempt:
                return self._connect_once()
        raise AssertionError("unreachable")

    def _connect_once(self) -> psycopg.Connection[Any]:
        try:
            connection = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        except psycopg.OperationalError as error:
            found = told(error, self._place, is_connected=False)
            if "refused" in str(error):
                found = _Refused(str(found))
            raise found from None  # the driver's own error may show more of the address
        if (major := connection.info.server_version // 10_000) < _OLDEST:
            connection.close()
            raise WarehouseUnwritable(
                f"warehouse {self._place} is PostgreSQL {major}: update the server to {_OLDEST} or newer"
            )
        self._was_there = True
        connection.adapters.register_loader("json", TextLoader)
        with translated(self._place, connection):
            _set_up(connection)
        return connection

    def _has_tables(self, connection: psycopg.Connection[Any]) -> bool:
        with translated(self._place, connection):
            return has_tables(connection)

    def _prepare(self, session: PostgresSession) -> None:
        """Make the tables, unless this release has, or this role may not; those who come at once take turns."""
        if self._is_prepared:
            return
        with session.translated():
            if not are_made(session, self.made_of):
                if has_tables(session.connection) and not may_be_made(session.connection):
                    return
                refuse_encoding(session.connection, self._place)
                with session.lock("schema"):
                    if not are_made(session, self.made_of):
                        make(session, self._place, self.made_of, lock_timeout_s=self._lock_timeout_s)
        self._is_prepared = True


def _set_up(connection: psycopg.Connection[Any]) -> None:
    """A new conversation on this connection. Raises psycopg's error where nobody is there any more."""
    connection.execute(_SETTINGS)
    connection.execute(_KEPT_ALIVE)
    # A statement of a process that was killed is given up, and its turns with it, where the server's system can tell.
    with suppress(psycopg.errors.DatabaseError):
        connection.execute("set client_connection_check_interval = '10s'")


class _Refused(WarehouseError):
    """Nobody listens there, or not yet."""


@contextmanager
def translated(place: str, connection: psycopg.Connection[Any], turn: str | None = None) -> Iterator[None]:
    """Errors of the drivers as `WarehouseError`; `turn` is what was waited for."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        if turn is None:
            raise told(error, place, is_connected=True) from error
        raise WarehouseLocked(
            f"warehouse {place}: another process has been at it ({turn}) for too long: end it, then run again"
        ) from error
    except (psycopg.Error, adbc_driver_manager.Error) as error:
        raise told(error, place, is_connected=True, is_lost=connection.closed) from error


def _key(*what: str) -> int:
    """A number for an advisory lock, of this pipeline's own."""
    return int.from_bytes(sha256("\n".join(("clari-pipeline", *what)).encode()).digest()[:8], signed=True)
