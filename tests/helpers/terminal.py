"""A person at a terminal: types commands, reads what they answer, queries the warehouse that they leave."""

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
    """What a command left on the terminal."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as the one JSON document that it must be."""
        document: dict[str, Any] = json.loads(self.out)
        return document


class Terminal:
    """A person in a folder with a terminal: types commands, reads answers, queries the warehouse."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *words: str) -> Answer:
        """What a command answers; the steps of a sync are run without Dagster."""
        return self._answer(words, direct_steps)

    def with_dagster(self, *words: str) -> Answer:
        """The same, each quarter a run in Dagster, as a user's are."""
        return self._answer(words, None)

    def _answer(self, words: tuple[str, ...], open_steps: OpenSteps | None) -> Answer:
        self._capsys.readouterr()
        code = cli.run(list(words), open_steps=open_steps)
        captured = self._capsys.readouterr()
        if code:
            self._names_its_section(words, captured.out + captured.err)
        return Answer(code, captured.out, captured.err)

    def _names_its_section(self, words: tuple[str, ...], said: str) -> None:
        """Whatever went wrong, people are told where the runbook tells of it, and once a line."""
        told = [line for line in said.splitlines() if f"{PAGE}#" in line]
        assert told, (words, said)
        assert all(line.count(f"({PAGE}#") <= 1 for line in told if line.startswith("clari-pipeline")), said

    def begin_after(self, *words: str) -> None:
        """Begin as if these words had been typed in the empty folder: the first who asks for them types them."""

        def type_them() -> None:
            answer = self(*words)
            assert answer.code == 0, answer.err

        begin_after(f"after {' '.join(words)}", type_them, folder=self.folder)

    def begin_after_a_sync_in_dagster(self, sandbox: Sandbox) -> None:
        """Begin as if two quarters had been synced, each a run in Dagster, and one look at a job had failed once."""

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
        """Leave in the warehouse what another time, or another run, would have left."""
        with duckdb.connect(str(self.folder / "data/warehouse.duckdb")) as connection:
            connection.execute(sql, parameters or None)

    def tables(self, *, without: tuple[str, ...] = ()) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the tables that documents alone decide, in a fixed order."""
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
