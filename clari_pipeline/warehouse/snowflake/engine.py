"""A schema `clari` in Snowflake as the warehouse: the same statements, carried; documents by staged Parquet."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import snowflake.connector
from pydantic import SecretStr
from snowflake.connector import SnowflakeConnection

from clari_pipeline.core.retrying import retry_context
from clari_pipeline.warehouse.dialects import carried
from clari_pipeline.warehouse.earlier import list_weeks, move_entries, sum_swings
from clari_pipeline.warehouse.errors import WarehouseError, WarehouseInterrupted
from clari_pipeline.warehouse.session import Session, Warehouse
from clari_pipeline.warehouse.snowflake.errors import told
from clari_pipeline.warehouse.snowflake.session import SnowflakeSession, WorkTables
from clari_pipeline.warehouse.snowflake.url import read_address
from clari_pipeline.warehouse.statements import rows, run, sha256_of, tables

_UNLESS_SAID: dict[str, Any] = {
    "login_timeout": 30,
    "network_timeout": 300,
    "platform_detection_timeout_seconds": 0.0,  # else each process asks after clouds that it might run in
    "application": "clari_pipeline",
}
_IN_EACH_SESSION = {"TIMEZONE": "UTC", "QUERY_TAG": "clari-pipeline", "CLIENT_TELEMETRY_ENABLED": False}
_MOST_IDLE = 2


class SnowflakeWarehouse(Warehouse):
    """One schema `clari` of a database. Safe to use from several threads."""

    engine = "snowflake"

    def __init__(
        self,
        url: SecretStr,
        *,
        data_dir: Path,
        work_tables: WorkTables,
        patience_s: float = 5,
        lock_wait_s: float = 1800,
    ) -> None:
        self._arguments, self._place = read_address(url)
        self._data_dir = data_dir
        self._work_tables = work_tables
        self._patience_s = patience_s
        self._turn_timeout_s = lock_wait_s
        self._guard = threading.Lock()
        self._idle: list[SnowflakeSession] = []
        self._is_prepared = False
        atexit.register(self._end)

    @property
    def place(self) -> str:
        """Account and database."""
        return self._place

    @property
    def folder(self) -> Path:
        """`CLARI_DATA_DIR`."""
        return self._data_dir

    @property
    def made_of(self) -> str:
        """The definitions in `sql/schema/`, and this engine's own functions."""
        return sha256("".join((sha256_of("schema"), *carried("schema/clari", "snowflake"))).encode()).hexdigest()

    def exists(self) -> bool:
        """Whether the tables were ever made."""
        with self._leased() as session:
            return session.has_tables()

    def prepare(self) -> None:
        """Connect, make the tables, and see that they may be written."""
        with self._leased() as session:
            self._prepare(session)
            session.tell("delete from clari.warehouse_version where 1 = 0")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session of one's own, its times in UTC, the tables made."""
        with self._leased() as session:
            self._prepare(session)
            yield session

    @contextmanager
    def copied(self, file: Path) -> Iterator[Session]:
        """No file: a session that keeps nobody waiting. There, what each statement reads is of its own moment."""
        with self.session() as session:
            yield session

    @contextmanager
    def sending_lock(self, *, timeout_s: float) -> Iterator[None]:
        """A turn in the warehouse: whoever sends from elsewhere waits, too."""
        with self._leased() as session:
            self._prepare(session)
            with session.lock("sending", timeout_s=timeout_s):
                yield

    @contextmanager
    def read_only(self) -> Iterator[Session | None]:
        """A session in which nothing is made; what its role may not change, it cannot."""
        try:
            with self._leased(is_patient=False) as session:
                yield session if session.has_tables() else None
        except WarehouseError as error:
            raise WarehouseError(
                f"{str(error).replace(self._place, 'Snowflake')}; or run clari-pipeline sync"
            ) from error

    @contextmanager
    def _leased(self, *, is_patient: bool = True) -> Iterator[SnowflakeSession]:
        """A session; afterwards it is kept for the next who asks, for to connect takes long."""
        session = None
        try:
            session = self._idle_one() or self._connect(is_patient=is_patient)
            yield session
        finally:
            if session is not None and not session.is_lost:
                session.release()
                with self._guard:
                    is_kept = len(self._idle) < _MOST_IDLE
                    if is_kept:
                        self._idle.append(session)
                if not is_kept:
                    session.close()
            elif session is not None:
                session.close()

    def _idle_one(self) -> SnowflakeSession | None:
        while True:
            with self._guard:
                session = self._idle.pop() if self._idle else None
            if session is None or session.is_alive():
                return session
            session.close()

    def _end(self) -> None:
        with self._guard:
            ended, self._idle = self._idle, []
        for session in ended:
            session.close()

    def _connect(self, *, is_patient: bool) -> SnowflakeSession:
        for attempt in retry_context(
            on=WarehouseInterrupted,
            attempts=None if is_patient else 1,
            timeout=self._patience_s,
            wait_initial=0.1,
            wait_max=1,
        ):
            with attempt:
                return SnowflakeSession(
                    self._connect_once(),
                    self._place,
                    lock_wait_s=self._turn_timeout_s,
                    work_tables=self._work_tables,
                )
        raise AssertionError("unreachable")

    def _connect_once(self) -> SnowflakeConnection:
        try:
            return snowflake.connector.connect(
                **_UNLESS_SAID | self._arguments, autocommit=True, session_parameters=dict(_IN_EACH_SESSION)
            )
        except (snowflake.connector.Error, OSError, ValueError) as error:
            raise told(error, self._place, is_connected=False) from None  # its own error may show more of the address

    def _prepare(self, session: SnowflakeSession) -> None:
        """Make the tables, unless this release has made them. A definition is kept at once: the note of it is last."""
        if self._is_prepared:
            return
        made_of = [{"schema_sha256": self.made_of}]
        if not (session.has_tables() and rows(session, "schema_made_by") == made_of):
            run(session, "schema/clari")
            with session.lock("schema"):
                session.tell("use schema clari")  # a table that is renamed would go to the session's own
                move_entries(session)
                for name in tables():
                    run(session, f"schema/{name}")
                sum_swings(session)
                list_weeks(session)
                run(session, "schema_is_made", schema_sha256=self.made_of)
        self._is_prepared = True
