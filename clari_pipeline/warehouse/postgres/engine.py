"""A PostgreSQL server as the warehouse: the same statements, transpiled; documents by bulk load."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import adbc_driver_manager
import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.types.string import TextLoader
from pydantic import SecretStr

from clari_pipeline.warehouse.dialects import condition_in, transpiled
from clari_pipeline.warehouse.errors import QueryRefused, WarehouseUnwritable, lock_timed_out, rejected
from clari_pipeline.warehouse.migrations import is_current
from clari_pipeline.warehouse.postgres import ENGINE
from clari_pipeline.warehouse.postgres.address import read_address
from clari_pipeline.warehouse.postgres.dialect import POSTGRES
from clari_pipeline.warehouse.postgres.errors import translate
from clari_pipeline.warehouse.postgres.staged import Staged
from clari_pipeline.warehouse.postgres.tables import make, may_be_made, refuse_encoding
from clari_pipeline.warehouse.server import ROWS_AT_ONCE, Rows, ServerSession, ServerWarehouse
from clari_pipeline.warehouse.session import Answer, WorkTables

_OLDEST = 15

_ARROW_TYPES = {
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "json"), pa.string()),
    **dict.fromkeys(("float4", "float8"), pa.float64()),
    "bool": pa.bool_(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
}

# Statements are few and large. A nested loop over a common table expression, which has no statistics, takes minutes
# where a hash join takes a second, and so does a merge join on the first column of a key alone; JIT compilation takes
# longer than the statement. Row counts matter more here than common values: a small sample is enough for ANALYZE.
_SETTINGS = (
    b"set timezone = 'UTC'; set datestyle = 'ISO'; "
    b"set enable_nestloop = off; set enable_mergejoin = off; set jit = off; "
    b"set work_mem = '64MB'; set default_statistics_target = 20"
)

# TCP keepalives, by which the server finds that a client machine has vanished, and releases its locks. Values set by
# the address, the role or the database stay; a Unix socket has none.
_KEEPALIVES = (
    b"select set_config(name, wanted, false) from pg_settings inner join (values ('tcp_keepalives_idle', '30'), "
    b"('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3')) as ours (setting_name, wanted) "
    b"on setting_name = name where source not in ('client', 'user', 'database', 'database user')"
)


class PostgresSession(ServerSession):
    """Documents are staged by DuckDB in this process and loaded by `Staged`."""

    def __init__(self, connection: psycopg.Connection[Any], place: str, staged: Staged, *, lock_wait_s: float) -> None:
        super().__init__(place)
        self.connection = connection
        self._staged = staged
        self._lock_wait_s = lock_wait_s

    def _run(self, name: str, parameters: dict[str, Any]) -> Answer:
        with self.translated():
            cursor = self.connection.cursor()
            for statement in transpiled(name, POSTGRES):
                cursor.execute(statement.encode(), parameters)
        return cursor

    def read_arrow(self, name: str, parameters: dict[str, Any]) -> pa.Table:
        """Run a query of one statement."""
        (statement,) = transpiled(name, POSTGRES)
        with self.translated():
            return self._read_by_cursor(statement, parameters)

    def ask(self, text: str) -> pa.Table:
        """Run one SELECT, as a cursor in a read-only transaction: the server refuses whatever else it is."""
        try:
            return self._read_by_cursor(text, None)
        except psycopg.Error as error:
            if self.is_lost:
                raise translate(error, self.place, is_connected=True, is_lost=True) from error
            raise rejected(ENGINE.title, error) from error
        except pa.ArrowException as error:  # a numeric that is not a number, say
            raise QueryRefused(f"Arrow has no type for a column's values ({error}): cast it in the query") from error

    def _read_by_cursor(self, statement: str, parameters: dict[str, Any] | None) -> pa.Table:
        """By a server-side cursor, in a transaction of its own. Raises `psycopg.Error`."""
        self.connection.execute(b"begin isolation level repeatable read read only")
        try:
            with self.connection.cursor(name="frame") as cursor:
                cursor.execute(statement.encode(), parameters)
                chunks = iter(lambda: cursor.fetchmany(ROWS_AT_ONCE), [])
                return self._to_arrow(cursor.description or (), chunks)
        finally:
            self.rollback()

    def _arrow_type(self, column: Any) -> pa.DataType | None:
        known = psycopg.adapters.types.get(column.type_code)
        if known is not None and known.name == "numeric":
            return None if column.precision is None else pa.decimal128(column.precision, column.scale)
        return _ARROW_TYPES.get(known.name) if known is not None else None

    def upload(self, tables: Iterable[str]) -> None:
        """Load staged tables by COPY; this session alone sees them under their names."""
        with self.translated():
            self._staged.load(self.connection, self.documents, tables)

    def count(self, table: str) -> int:
        """Rows of a table of schema `clari`."""
        with self.translated():
            counted = sql.SQL("select count(*) from clari.{}").format(sql.Identifier(table))
            found = self.connection.execute(counted).fetchone()
        return int(found[0]) if found else 0

    def analyze(self, tables: Iterable[str]) -> None:
        """ANALYZE: autovacuum comes minutes later, and until then a million rows would be planned as none."""
        with self.translated():
            for table in tables:
                self.connection.execute(sql.SQL("analyze clari.{}").format(sql.Identifier(table)))

    def _read(self, table: str, columns: Sequence[str], where: str | None) -> Iterator[Rows]:
        """By a server-side cursor, which needs a transaction."""
        named = sql.SQL(", ").join(map(sql.Identifier, columns))
        asked = sql.SQL("select {} from clari.{}").format(named, sql.Identifier(table))
        condition = b"" if where is None else f" where {condition_in(POSTGRES, where)}".encode()
        with self.translated(), self.connection.cursor(name="saved") as cursor:
            cursor.execute(asked.as_bytes(self.connection) + condition)
            while found := cursor.fetchmany(ROWS_AT_ONCE):
                yield found

    def begin(self) -> None:
        """Begin a transaction at isolation level read committed."""
        self.execute("begin isolation level read committed")

    def commit(self) -> None:
        """Commit. Where the connection is lost meanwhile, whether it was committed is read from the ledger."""
        self.execute("commit")

    def rollback(self) -> None:
        """Roll back; a lost connection has done so by itself."""
        with suppress(psycopg.Error):
            self.connection.execute("rollback")

    @contextmanager
    def lock(self, *what: str, shared: bool = False, timeout_s: float | None = None) -> Iterator[None]:
        """A session-level advisory lock: the server releases it with the connection at the latest."""
        key = _lock_key(*what)
        kind = "_shared" if shared else ""
        with self.translated(lock=" ".join(what)):
            wait_ms = f"{(self._lock_wait_s if timeout_s is None else timeout_s) * 1000:.0f}"
            self.connection.execute("select set_config('lock_timeout', %s, false)", [wait_ms])
            self.connection.execute(f"select pg_advisory_lock{kind}(%s)".encode(), [key])
            self.connection.execute("reset lock_timeout")
        try:
            yield
        finally:
            with suppress(psycopg.Error):
                self.connection.execute(f"select pg_advisory_unlock{kind}(%s)".encode(), [key])

    def has_tables(self) -> bool:
        """Whether the tables exist."""
        with self.translated():
            return self.connection.execute("select to_regclass('clari.warehouse_version')").fetchone() != (None,)

    def refuse_writes(self) -> None:
        """Every transaction from here on is read-only."""
        self.execute("set default_transaction_read_only = on")

    def read_one_moment(self) -> None:
        """Begin a read-only transaction at isolation level repeatable read: one snapshot."""
        self.execute("begin isolation level repeatable read read only")

    def is_usable(self) -> bool:
        """Set the session up for the next caller; false where the connection is lost."""
        with suppress(psycopg.Error):
            self.set_up()
            return True
        return False

    @property
    def is_lost(self) -> bool:
        """Whether the connection is closed."""
        return bool(self.connection.closed)

    def set_up(self) -> None:
        """Apply the settings of a session. Raises `psycopg.Error` where the connection is lost."""
        self.connection.execute(_SETTINGS)
        self.connection.execute(_KEEPALIVES)
        # Cancels the statement of a killed client, and releases its locks; not every server's system supports it.
        with suppress(psycopg.errors.DatabaseError):
            self.connection.execute("set client_connection_check_interval = '10s'")

    def release(self) -> None:
        """Drop the session's staged tables, settings and locks on the server."""
        super().release()
        with suppress(psycopg.Error):
            self.connection.execute("rollback")
            self._staged.forget(self.connection)
            self.connection.execute("discard all")

    def close(self) -> None:
        """End the connection."""
        self.connection.close()

    def execute(self, statement: str) -> None:
        """Run a statement without parameters."""
        with self.translated():
            self.connection.execute(statement.encode())

    @contextmanager
    def translated(self, *, lock: str | None = None) -> Iterator[None]:
        """Translate the drivers' errors within the context to `WarehouseError`; `lock` is the one waited for."""
        try:
            yield
        except (psycopg.Error, adbc_driver_manager.Error) as error:
            if lock is not None and isinstance(error, psycopg.errors.LockNotAvailable):
                raise lock_timed_out(self.place, lock) from error
            raise translate(error, self.place, is_connected=True, is_lost=self.is_lost) from error


class PostgresWarehouse(ServerWarehouse[PostgresSession]):
    """PostgreSQL 15 or newer. `lock_timeout_s` is the timeout of the lock on a table that is to be migrated."""

    kind = ENGINE

    def __init__(
        self,
        url: SecretStr,
        *,
        data_dir: Path,
        connect_retry_s: float = 5,
        lock_wait_s: float = 1800,
        lock_timeout_s: float = 10,
    ) -> None:
        self._conninfo, place = read_address(url)
        self._lock_timeout_s = lock_timeout_s
        super().__init__(place, data_dir=data_dir, connect_retry_s=connect_retry_s, lock_wait_s=lock_wait_s)

    @classmethod
    def at(cls, url: SecretStr, *, data_dir: Path, work_tables: WorkTables) -> Self:
        """The warehouse of an address."""
        return cls(url, data_dir=data_dir)

    def prepare(self) -> None:
        """Connect, migrate the tables, and check that the role may write them. Raises `WarehouseUnwritable`."""
        with self._leased() as session:
            refuse_encoding(session.connection, self.place)
        with self.session() as session:
            assert isinstance(session, PostgresSession)
            with session.translated():
                found = session.connection.execute(
                    "select current_user, pg_is_in_recovery(), has_schema_privilege('clari', 'create') "
                    "and has_database_privilege(current_database(), 'temporary') "
                    "and has_table_privilege('clari.export_job', 'insert, update')"
                ).fetchone()
        user, is_copy, is_allowed = found or ("", False, False)
        if is_copy:
            raise WarehouseUnwritable(
                f"warehouse {self.place} is a copy that can only be read: name the primary in CLARI_WAREHOUSE_URL"
            )
        if not is_allowed:
            raise WarehouseUnwritable(
                f"warehouse {self.place}: the role {user} may not write schema clari: let CLARI_WAREHOUSE_URL name "
                "the writer, or grant what docs/postgres-roles.sql grants it"
            )

    def _connect(self, place: str) -> PostgresSession:
        try:
            connection = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        except psycopg.OperationalError as error:
            raise translate(error, place, is_connected=False) from None  # the driver's own may show more of the address
        if (major := connection.info.server_version // 10_000) < _OLDEST:
            connection.close()
            raise WarehouseUnwritable(
                f"warehouse {place} is PostgreSQL {major}: update the server to {_OLDEST} or newer"
            )
        connection.adapters.register_loader("json", TextLoader)
        session = PostgresSession(connection, place, Staged(self._conninfo), lock_wait_s=self._lock_wait_s)
        with session.translated():
            session.set_up()
        return session

    def _make_tables(self, session: PostgresSession) -> bool:
        """Migrate under a lock; a role that may not create tables uses those that exist."""
        with session.translated():
            if session.has_tables():
                if is_current(session):
                    return True
                if not may_be_made(session.connection):
                    return False
            refuse_encoding(session.connection, self.place)
            with session.lock("schema"):
                if not (session.has_tables() and is_current(session)):
                    make(session, lock_timeout_s=self._lock_timeout_s)
        return True


def _lock_key(*what: str) -> int:
    """The key of an advisory lock: a hash of its name, the same as in earlier releases (hence `turn`)."""
    return int.from_bytes(sha256("\n".join(("clari-pipeline", "turn", *what)).encode()).digest()[:8], signed=True)
