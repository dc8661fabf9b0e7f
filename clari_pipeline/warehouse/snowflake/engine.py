"""A schema `clari` in Snowflake as the warehouse: the same statements, carried; documents by staged Parquet.

Experimental: what the emulator cannot show (locks, the implicit commit of DDL, real types) was never run on an account.
"""

import atexit
from pathlib import Path
from typing import Any, Self

import snowflake.connector
from pydantic import SecretStr

from clari_pipeline.warehouse.migrations import is_current, make_schema
from clari_pipeline.warehouse.server import ServerWarehouse
from clari_pipeline.warehouse.session import WorkTables, run
from clari_pipeline.warehouse.snowflake import ENGINE
from clari_pipeline.warehouse.snowflake.errors import translate
from clari_pipeline.warehouse.snowflake.session import SnowflakeSession
from clari_pipeline.warehouse.snowflake.url import read_address

_DEFAULTS: dict[str, Any] = {
    "login_timeout": 30,
    "network_timeout": 300,
    "platform_detection_timeout_seconds": 0.0,  # else each process probes for the cloud that it runs in
    "application": "clari_pipeline",
}
_IN_EACH_SESSION = {"TIMEZONE": "UTC", "QUERY_TAG": "clari-pipeline", "CLIENT_TELEMETRY_ENABLED": False}


class SnowflakeWarehouse(ServerWarehouse[SnowflakeSession]):
    """One schema `clari` of a database; two idle sessions stay open, as connecting takes long."""

    kind = ENGINE
    most_idle = 2

    def __init__(
        self,
        url: SecretStr,
        *,
        data_dir: Path,
        work_tables: WorkTables,
        connect_retry_s: float = 5,
        lock_wait_s: float = 1800,
    ) -> None:
        self._arguments, place = read_address(url)
        self._work_tables = work_tables
        super().__init__(place, data_dir=data_dir, connect_retry_s=connect_retry_s, lock_wait_s=lock_wait_s)
        atexit.register(self._end)

    @classmethod
    def at(cls, url: SecretStr, *, data_dir: Path, work_tables: WorkTables) -> Self:
        """The warehouse of an address."""
        return cls(url, data_dir=data_dir, work_tables=work_tables)

    def prepare(self) -> None:
        """Connect, migrate the tables, and check that the role may write them."""
        with self.session() as session:
            assert isinstance(session, SnowflakeSession)
            session.execute("delete from clari.warehouse_version where 1 = 0")

    def _connect(self, place: str) -> SnowflakeSession:
        try:
            connection = snowflake.connector.connect(
                **_DEFAULTS | self._arguments, autocommit=True, session_parameters=dict(_IN_EACH_SESSION)
            )
        except (snowflake.connector.Error, OSError, ValueError) as error:
            raise translate(error, place, is_connected=False) from None  # its own error may show more of the address
        return SnowflakeSession(connection, place, lock_wait_s=self._lock_wait_s, work_tables=self._work_tables)

    def _make_tables(self, session: SnowflakeSession) -> bool:
        """Migrate under a lock. DDL commits at once: the schema version is written last."""
        if not (session.has_tables() and is_current(session)):
            run(session, "schema/clari")  # the table of locks
            with session.lock("schema"):
                session.execute("use schema clari")  # a renamed table would go to the session's current schema
                make_schema(session)
        return True

    def _end(self) -> None:
        with self._guard:
            ended, self._idle = self._idle, []
        for session in ended:
            session.close()
