"""Dagster's runs in SQLite, the file opened once and not at each question.

`dagster.yaml` names the class. File and tables are Dagster's own, where Dagster puts them by default: either class
reads what the other wrote. A question by way of a new engine costs three times the question: SQLAlchemy has to put
each statement into words anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import dagster as dg
from dagster._core.storage.runs import SqliteRunStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import QueuePool


class PooledSqliteRuns(SqliteRunStorage):
    """The file of all runs, kept open. `home` is Dagster's folder."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engine = create_engine(
            conn_string,
            poolclass=QueuePool,
            max_overflow=-1,  # nobody waits for another thread's connection
            connect_args={"check_same_thread": False},
        )
        self._has_run_stats = False
        super().__init__(conn_string, inst_data)

    @classmethod
    def config_type(cls) -> Any:
        """What `dagster.yaml` may say."""
        return {"home": dg.StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Made as `dagster.yaml` says."""
        return cls.from_local(str(Path(config_value["home"]) / "history"), inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A transaction."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    def has_run_stats_index_cols(self) -> bool:
        """Whether runs have columns for their beginning and end: once there, they stay."""
        self._has_run_stats = self._has_run_stats or super().has_run_stats_index_cols()
        return self._has_run_stats

    def dispose(self) -> None:
        """Close the file."""
        self._engine.dispose()
        super().dispose()
