"""A session of Snowflake: statements, staged documents, transactions, locks.

DDL commits the transaction around it there. So a session's temporary tables are created before its first transaction
and only filled within one, and no other DDL runs while one is open.
"""

import json
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import snowflake.connector
from snowflake.connector import SnowflakeConnection
from snowflake.connector.constants import FIELD_ID_TO_NAME
from snowflake.connector.cursor import SnowflakeCursor
from sqlglot import exp

from clari_pipeline.core.retrying import retry_context
from clari_pipeline.warehouse.dialects import condition_in, transpiled
from clari_pipeline.warehouse.errors import (
    QueryRefused,
    WarehouseError,
    WarehouseInterrupted,
    WarehouseLocked,
    lock_timed_out,
)
from clari_pipeline.warehouse.server import ROWS_AT_ONCE, Rows, ServerSession
from clari_pipeline.warehouse.session import Answer, WorkTables
from clari_pipeline.warehouse.snowflake.dialect import AS_JSON, SNOWFLAKE
from clari_pipeline.warehouse.snowflake.errors import translate

_PARAMETER = re.compile(r"%\((\w+)\)s")
_ARROW_TYPES = {
    **dict.fromkeys(("TEXT", "VARIANT"), pa.string()),
    **dict.fromkeys(("TIMESTAMP_TZ", "TIMESTAMP_LTZ"), pa.timestamp("us", tz="UTC")),
    "BINARY": pa.binary(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "REAL": pa.float64(),
}
_OWN_LOCKS = frozenset({"sending", "planning", "schema"})
_CHECK_AFTER_S = 60  # idle time
_QUARTER_LOCKS = 16  # as many as sql/schema/clari.snowflake.sql makes
_ACQUIRE = (
    "update clari.turn set holder = %(holder)s, held_until = dateadd(second, %(lease_s)s, current_timestamp()) "
    "where name = %(name)s and (holder is null or holder = %(holder)s or held_until < current_timestamp())"
)
_RENEW = (
    "update clari.turn set held_until = dateadd(second, %(lease_s)s, current_timestamp()) "
    "where name in (%(names)s) and holder = %(holder)s"
)
_RELEASE = "update clari.turn set holder = null, held_until = null where name = %(name)s and holder = %(holder)s"
_LOAD = (
    "copy into {table} ({columns}) from (select {read} from @%{table}/{file}) "
    "file_format = (type = parquet use_logical_type = true) purge = true"
)


class _Result:
    """A statement's rows as the other engines give them: names in lower case, moments in UTC, arrays as lists."""

    def __init__(self, cursor: SnowflakeCursor | None) -> None:
        self._cursor = cursor
        self._columns = cursor.description or [] if cursor is not None else []

    @property
    def description(self) -> Sequence[Any] | None:
        """A sequence a column, its name first."""
        return [(column.name.lower(), *column[1:]) for column in self._columns]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Every row."""
        return self._plain(self._cursor.fetchall() if self._cursor is not None else ())

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        """The next rows; none after the last."""
        return self._plain(self._cursor.fetchmany(size) if self._cursor is not None else ())

    def _plain(self, rows: Iterable[Any]) -> list[tuple[Any, ...]]:
        arrays = [FIELD_ID_TO_NAME.get(column.type_code) == "ARRAY" for column in self._columns]
        return [
            tuple(_plain(value, is_array=is_array) for value, is_array in zip(row, arrays, strict=True))
            for row in rows
            if isinstance(row, tuple)
        ]


class SnowflakeSession(ServerSession):
    """Documents are staged by DuckDB in this process and uploaded as Parquet."""

    most_bytes = 400_000  # bytes; in hexadecimal, within a statement of 1 MB at most

    def __init__(
        self, connection: SnowflakeConnection, place: str, *, lock_wait_s: float, work_tables: WorkTables
    ) -> None:
        super().__init__(place)
        self.connection = connection
        self._lock_wait_s = lock_wait_s
        self._work_tables = work_tables
        self._name = secrets.token_hex(8)
        self._locks: dict[str, int] = {}
        self._used_at = time.monotonic()
        self._in_transaction = self._has_work_tables = self._is_lost = False

    @property
    def is_lost(self) -> bool:
        """Whether the connection is closed, or an error has shown it to be lost."""
        return self._is_lost or self.connection.is_closed()

    def _run(self, name: str, parameters: dict[str, Any]) -> Answer:
        if not self._in_transaction and not name.startswith("schema"):
            self._make_work_tables()
        cursor = None
        for statement in transpiled(name, SNOWFLAKE):
            cursor = self._execute(statement, parameters)
        return _Result(cursor)

    def ask(self, text: str) -> pa.Table:
        """Not here: nothing but the role's rights would keep a statement from writing."""
        raise QueryRefused("sql() reads DuckDB and PostgreSQL: use frame(), or Snowflake's own tools")

    def _arrow_type(self, column: Any) -> pa.DataType | None:
        precision, scale = column[4:6]
        match FIELD_ID_TO_NAME.get(column[1]):
            case "FIXED":
                return pa.decimal128(precision, scale) if scale else pa.int64()
            case kind:
                return _ARROW_TYPES.get(kind or "")

    def upload(self, tables: Iterable[str]) -> None:
        """Load staged tables by PUT and COPY, into temporary tables."""
        if not self._in_transaction:
            self._make_work_tables()
        with TemporaryDirectory(prefix="clari-staged-") as name:
            for table in tables:
                file = Path(name) / f"{table}_{secrets.token_hex(8)}.parquet"
                self.documents.table(table).write_parquet(str(file))
                self.execute(f"delete from {table}")  # noqa: S608 - a name of this package's own
                self.execute(f"put 'file://{file.as_posix()}' @%{table} auto_compress = false")
                columns = self._work_tables()[table]
                self.execute(
                    _LOAD.format(
                        table=table,
                        columns=", ".join(column for column, _ in columns),
                        read=", ".join(f"$1:{column}::{_kind(kind)}" for column, kind in columns),
                        file=file.name,
                    )
                )

    def count(self, table: str) -> int:
        """Rows of a table of schema `clari`."""
        found = self.execute(f"select count(*) from clari.{table}").fetchone()  # noqa: S608 - the same
        assert isinstance(found, tuple)
        return int(found[0])

    def _read(self, table: str, columns: Sequence[str], where: str | None) -> Iterator[Rows]:
        condition = "" if where is None else f" where {condition_in(SNOWFLAKE, where)}"
        answer = _Result(self.execute(f"select {', '.join(columns)} from clari.{table}{condition}"))  # noqa: S608 - the same
        while found := answer.fetchmany(ROWS_AT_ONCE):
            yield found

    def begin(self) -> None:
        """Begin a transaction; Snowflake's only isolation level is read committed."""
        self._make_work_tables()
        self.execute("begin")
        self._in_transaction = True

    def commit(self) -> None:
        """Renew the leases of the locks, and commit. Raises `WarehouseInterrupted` where another process took one.

        Where the connection is lost meanwhile, whether it was committed is read from the ledger.
        """
        if self._locks:
            held = self._execute(_RENEW, self._lease() | {"names": list(self._locks)})
            if held.rowcount != len(self._locks):
                raise WarehouseInterrupted(
                    f"warehouse {self.place}: this took so long that another process went on: nothing of it was kept"
                )
        self.execute("commit")
        self._in_transaction = False

    def rollback(self) -> None:
        """Roll back; a lost session has done so by itself."""
        self._in_transaction = False
        try:
            self.connection.cursor().execute("rollback")
        except (snowflake.connector.Error, OSError):
            self._is_lost = True

    @contextmanager
    def lock(self, *what: str, shared: bool = False, timeout_s: float | None = None) -> Iterator[None]:
        """A row of `clari.turn` with a lease that each commit renews: Snowflake's own locks last one transaction.

        `shared` is ignored, and all writers take one lock: two transactions cannot write one table at a time there.
        """
        name = _lock_row(what)
        if name not in self._locks:
            self._acquire(name, self._lock_wait_s if timeout_s is None else timeout_s)
        self._locks[name] = self._locks.get(name, 0) + 1
        try:
            yield
        finally:
            self._locks[name] -= 1
            if not self._locks[name]:
                del self._locks[name]
                with suppress(Exception):
                    self._execute(_RELEASE, self._lease() | {"name": name})

    def has_tables(self) -> bool:
        """Whether the tables exist."""
        found = self.execute(
            "select count(*) from information_schema.tables "
            "where table_schema = 'CLARI' and table_name = 'WAREHOUSE_VERSION'"
        ).fetchone()
        return found != (0,)

    def execute(self, statement: str) -> SnowflakeCursor:
        """Run a statement without parameters."""
        return self._execute(statement, None)

    def is_usable(self) -> bool:
        """Whether it still works; after some idle time by a query."""
        if time.monotonic() - self._used_at > _CHECK_AFTER_S:
            with suppress(WarehouseError):
                self.execute("select 1")
                return True
            return False
        return not self.is_lost

    def release(self) -> None:
        """Drop the staged document; the connection stays open."""
        super().release()
        self._used_at = time.monotonic()

    def close(self) -> None:
        """End the connection."""
        with suppress(snowflake.connector.Error, OSError):
            self.connection.close()

    def _acquire(self, name: str, timeout_s: float) -> None:
        for attempt in retry_context(
            on=WarehouseLocked, attempts=None, timeout=timeout_s, wait_initial=0.2, wait_max=2
        ):
            with attempt:
                if self._execute(_ACQUIRE, self._lease() | {"name": name}).rowcount != 1:
                    raise lock_timed_out(self.place, name)

    def _lease(self) -> dict[str, Any]:
        return {"holder": self._name, "lease_s": int(max(self._lock_wait_s, 60))}

    def _make_work_tables(self) -> None:
        if self._has_work_tables:
            return
        self.execute("use schema clari")
        for table, columns in self._work_tables().items():
            typed = ", ".join(f"{name} {_kind(kind)}" for name, kind in columns)
            self.execute(f"create or replace temporary table {table} ({typed})")
        self._has_work_tables = True

    def _execute(self, statement: str, parameters: dict[str, Any] | None) -> SnowflakeCursor:
        try:
            cursor = self.connection.cursor()
            if parameters is None:
                cursor.execute(statement)
            else:
                cursor.execute(*_bound(statement, parameters))
        except (snowflake.connector.Error, OSError) as error:
            found = translate(error, self.place, is_connected=True)
            self._is_lost = self._is_lost or isinstance(found, WarehouseInterrupted)
            raise found from error
        return cursor


def _lock_row(what: Sequence[str]) -> str:
    """The row of `clari.turn` for a lock: quarters share `_QUARTER_LOCKS` rows, and all other writers one."""
    if what[0] == "quarter":
        return f"quarter {sha256(chr(10).join(what).encode()).digest()[0] % _QUARTER_LOCKS}"
    return what[0] if what[0] in _OWN_LOCKS else "writing"


def _bound(statement: str, parameters: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The statement with casts after its parameters, and their values as the connector takes them."""
    values: dict[str, Any] = {}
    for name in set(_PARAMETER.findall(statement)):
        value = parameters[name.removesuffix(AS_JSON)]
        if name.endswith(AS_JSON):
            value = None if value is None else json.dumps(value)
        elif isinstance(value, list):
            value = value or [None]  # no name is in it
        values[name] = value
    return _PARAMETER.sub(lambda found: f"{found[0]}{_cast_of(values[found[1]])}", statement), values


def _cast_of(value: Any) -> str:
    """The cast of a value that the connector writes as text, which else would be compared as text."""
    if isinstance(value, datetime):
        return "::timestamp_tz"
    if isinstance(value, date):
        return "::date"
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        return f"::number(38, {max(0, -exponent) if isinstance(exponent, int) else 0})"
    return ""


def _kind(kind: str) -> str:
    """DuckDB's type as Snowflake's; arrays are untyped there."""
    found = exp.DataType.build("array" if kind.endswith("[]") else kind, dialect="duckdb")
    return found.sql("snowflake")


def _plain(value: Any, *, is_array: bool) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if is_array and isinstance(value, str):
        return json.loads(value)
    return bytes(value) if isinstance(value, bytearray) else value
