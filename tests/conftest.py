"""What end-to-end tests share: a Clari sandbox over HTTP, a folder of one's own, and the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from clari_pipeline import cli
from clari_pipeline.sandbox import Sandbox
from clari_pipeline.settings import project_file


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
        self._capsys.readouterr()
        code = cli.run(list(words))
        captured = self._capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    def query(self, sql: str, *, warehouse: str = "data/warehouse.duckdb") -> list[tuple[Any, ...]]:
        """Rows of the warehouse, read as an analyst would."""
        with duckdb.connect(str(self.folder / warehouse), read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            return connection.execute(sql).fetchall()

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
        return {name: self.query(f"select * from clari.{name} order by all") for name in names if name not in without}


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0.02, people=12) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A calm company; a test may set another scenario."""
    shared_sandbox.scenario = "calm"
    shared_sandbox.requests.clear()
    yield shared_sandbox
    shared_sandbox.scenario = "calm"


@pytest.fixture(scope="session")
def dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dagster's empty instance, its tables made once for all tests: half a second each."""
    home = tmp_path_factory.mktemp("dagster") / "home"
    home.mkdir()
    (home / "dagster.yaml").write_bytes(project_file("dagster_home/dagster.yaml").read_bytes())
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.get_runs(limit=1)
    return home


@pytest.fixture
def terminal(
    sandbox: Sandbox,
    dagster_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Terminal:
    """A terminal in an empty folder, set up for the sandbox with the current quarter and the one before it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(dagster_home, tmp_path / "dagster_home")
    for name, value in {
        "CLARI_API_KEY": sandbox.api_key,
        "CLARI_BASE_URL": sandbox.base_url,
        "CLARI_FORECAST_IDS": "total_new",
        "CLARI_HISTORICAL_PERIODS": "1",
        "CLARI_POLL_INTERVAL_S": "0.02",
        "DAGSTER_HOME": str(tmp_path / "dagster_home"),
    }.items():
        monkeypatch.setenv(name, value)
    return Terminal(tmp_path, capsys)
