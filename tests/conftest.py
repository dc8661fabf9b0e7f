"""What end-to-end tests share: a Clari sandbox over HTTP, a folder of one's own, and the command line."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import ssl
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from httpx._transports import default as transports

from clari_pipeline.sandbox import Sandbox
from clari_pipeline.settings import project_file
from clari_pipeline.warehouse.duck import DuckWarehouse
from tests.helpers.terminal import Terminal

# Dagster's SQLite asks the disk to have written a thousand times a sync. Memory has, where there is plenty of it.
_MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 4 << 30:
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None  # look again


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes most of a minute, and is begun before all others")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, or the last of them keeps one core busy while the others idle."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """What has been imported stays: nobody is to look through it for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # what is new is looked through less often: a twentieth of all work


def pytest_sessionfinish() -> None:
    """Until the end, when DuckDB would have it that something was left."""
    gc.unfreeze()


# Who was started in the background ignores Ctrl-C, and so would every process that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _migrations_are_read_once() -> Iterator[None]:
    """Alembic reads the ninety files of Dagster's migrations for every run's SQLite file: the same each time."""
    read = ScriptDirectory.from_config
    known: dict[str | None, ScriptDirectory] = {}

    def once(config: Config) -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place not in known:
            known[place] = read(config)
        return known[place]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _authorities_are_read_once() -> Iterator[None]:
    """Who vouches for servers, read for each client, though the sandbox speaks plain HTTP: 25 ms each."""
    read = transports.create_ssl_context
    usual = cache(read)

    def once(**given: Any) -> ssl.SSLContext:
        by_hand = given["verify"] is not True or "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ
        return read(**given) if by_hand else usual(**given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transports, "create_ssl_context", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _tables_are_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A warehouse that is not there yet begins as the pipeline has made the first: a sixth of a second each."""
    empty = tmp_path_factory.mktemp("warehouse") / "empty.duckdb"
    DuckWarehouse(empty).prepare()
    open_file = DuckWarehouse._open

    def begun(self: DuckWarehouse) -> duckdb.DuckDBPyConnection:
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
        if not self._path.exists() and self.folder.is_dir() and os.access(self.folder, os.W_OK):
            copy = self.folder / f"empty-{uuid.uuid4().hex}"
            shutil.copyfile(empty, copy)
            with suppress(FileExistsError):  # somebody else has begun it
                os.link(copy, self._path)
            copy.unlink()
        return open_file(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DuckWarehouse, "_open", begun)
        yield


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.get() as instance:
            assert not instance.get_runs(limit=1)
    return home


@pytest.fixture
def terminal(
    sandbox: Sandbox,
    dagster_home: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
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
    return Terminal(tmp_path, capsys, kept=tmp_path_factory.getbasetemp())
