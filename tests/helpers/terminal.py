"""Run commands in this process, capture their output, and query the warehouse."""

import atexit
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clari_pipeline.cli import app as cli
from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.core.runbook import PAGE
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.sync.run import OpenSteps
from tests.helpers.beginnings import begin_after
from tests.helpers.direct_steps import direct_steps

CURRENT = FiscalCalendar().quarter_of(datetime.now(UTC).date())  # as the settings of a terminal have it
BEFORE = CURRENT.shifted(-1)


@cache
def _analyst() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


atexit.register(_analyst.cache_clear)  # DuckDB complains of connections that outlive it


@dataclass(frozen=True)
class Answer:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as the one JSON document that it must be."""
        document: dict[str, Any] = json.loads(self.out)
        return document


class Terminal:
    """Runs commands in a folder, and queries its warehouse."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *words: str) -> Answer:
        """Run a command; the steps of a sync are called without Dagster."""
        return self._answer(words, direct_steps)

    def with_dagster(self, *words: str) -> Answer:
        """Run a command; each quarter of a sync is a Dagster run, as for users."""
        return self._answer(words, None)

    def _answer(self, words: tuple[str, ...], open_steps: OpenSteps | None) -> Answer:
        self._capsys.readouterr()
        code = cli.run(list(words), open_steps=open_steps)
        captured = self._capsys.readouterr()
        if code:
            self._names_its_section(words, captured.out + captured.err)
        return Answer(code, captured.out, captured.err)

    def _names_its_section(self, words: tuple[str, ...], said: str) -> None:
        """Assert that the output of a failed command names a section of the runbook, at most once a line."""
        named = [line for line in said.splitlines() if f"{PAGE}#" in line]
        assert named, (words, said)
        assert all(line.count(f"({PAGE}#") <= 1 for line in named if line.startswith("clari-pipeline")), said

    def begin_after(self, *words: str) -> None:
        """Set the folder up as after this command; it is run once for all tests (`beginnings`)."""

        def type_them() -> None:
            answer = self(*words)
            assert answer.code == 0, answer.err

        begin_after(f"after {' '.join(words)}", type_them, folder=self.folder)

    def begin_after_a_sync_in_dagster(self, sandbox: Sandbox) -> None:
        """Set the folder up as after a sync in Dagster during which one status call failed."""

        def sync() -> None:
            sandbox.fail_next("status", ["500"])
            answer = self.with_dagster("sync")
            assert answer.code == 0, answer.err

        begin_after("sync in Dagster", sync, folder=self.folder)

    def query(self, sql: str, *, warehouse: str = "data/warehouse.duckdb") -> list[tuple[Any, ...]]:
        """Rows of the warehouse, read as an analyst would."""
        with self._reading(warehouse) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, sql: str, **parameters: object) -> None:
        """Change the warehouse directly, to simulate another run or time."""
        with duckdb.connect(str(self.folder / "data/warehouse.duckdb")) as connection:
            connection.execute(sql, parameters or None)

    def tables(self, *, without: tuple[str, ...] = ()) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the tables that depend on documents alone, sorted."""
        names = (
            "forecast_entry",
            "forecast_entry_history",
            "forecast_user",
            "forecast_user_history",
            "forecast_field",
            "time_period",
            "time_frame",
            "forecast_vs_quota",
        )
        with self._reading("data/warehouse.duckdb") as connection:
            return {
                name: connection.execute(f"select * from clari.{name} order by all").fetchall()
                for name in names
                if name not in without
            }

    @contextmanager
    def _reading(self, warehouse: str) -> Iterator[duckdb.DuckDBPyConnection]:
        # To attach the file takes a fifth of the time that it takes to open it as a database of its own.
        file = str(self.folder / warehouse).replace("'", "''")
        with _analyst().cursor() as connection:
            connection.execute(f"set timezone = 'UTC'; attach '{file}' as read_here (read_only); use read_here")
            try:
                yield connection
            finally:
                connection.execute("use memory; detach read_here")
