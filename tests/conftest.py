"""What end-to-end tests share: a Clari sandbox over HTTP, a folder of one's own, and the command line."""

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from clari_pipeline.core.project import project_file
from clari_pipeline.sandbox import Sandbox
from tests.helpers import allocator, postgres_server, prepared
from tests.helpers.terminal import Terminal

# Moments of tests are written in UTC: what another zone makes of them the tests of it say.
os.environ["CLARI_ORG_TIMEZONE"] = "UTC"

# Dagster's SQLite asks the disk to have written a thousand times a sync. Memory has, where there is plenty of it.
_MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 4 << 30:
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None  # look again


def pytest_configure(config: pytest.Config) -> None:
    if _is_main_process(config):
        allocator.preload()  # for the workers, which start after this
        prepared.begin()
    else:
        allocator.stop_preloading()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Once no worker is left."""
    if _is_main_process(config):
        postgres_server.stop_shared()
        prepared.end()


def _is_main_process(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput")


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
def dagster_home() -> Path:
    """Dagster's empty instance, its tables made once for all tests: half a second each."""
    return prepared.made_once("dagster_home", _make_dagster_home)


def _make_dagster_home(home: Path) -> None:
    home.mkdir()
    (home / "dagster.yaml").write_bytes(project_file("dagster_home/dagster.yaml").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.get() as instance:
            assert not instance.get_runs(limit=1)


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
        "CLARI_LOST_ANSWER_S": "0.2",
        "DAGSTER_HOME": str(tmp_path / "dagster_home"),
    }.items():
        monkeypatch.setenv(name, value)
    return Terminal(tmp_path, capsys)
