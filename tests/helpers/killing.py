"""Syncs in separate processes that kill themselves (SIGKILL) at a given event, as a power cut would."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import duckdb

from clari_pipeline.sandbox import Sandbox
from tests.helpers import forked, prepared

FIGURES = (
    "forecast_id, time_period_id, time_frame_id, user_id, field_id, forecast_value, quota_value, adjustment_value, "
    "crm_total, crm_closed, currency_code, in_latest_export"
)


class Moment:
    """Where a sync is killed: at the n-th event (from 0) of that class or any, before or after the ledger has it."""

    def __init__(self, name: str | None, number: int = 0, *, is_written: bool) -> None:
        self.name = name
        self.number = number
        self.is_written = is_written

    def __repr__(self) -> str:
        return f"{'after' if self.is_written else 'before'} {self.name or 'event'} {self.number}"


def sync_and_die(which: int | str, moment: Moment | None, is_in_dagster: bool = False) -> int:
    """Run a sync of the last `which` quarters, of the one named or of "current", and be killed at `moment`, if any."""
    from clari_pipeline.sync.events import Event, Hooks  # noqa: PLC0415 - imported where this was forked from
    from tests.helpers.direct_steps import direct_steps, sync  # noqa: PLC0415

    seen = 0

    def die(event: Event) -> None:
        nonlocal seen
        if moment is not None and moment.name in {None, type(event).__name__}:
            if seen == moment.number:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    hooks = Hooks([die]) if moment is None or moment.is_written else Hooks(before=[die])
    return sync(hooks, which, open_steps=None if is_in_dagster else direct_steps)


class Place:
    """A folder in which syncs against one sandbox run, directly or each quarter as a Dagster run.

    The first sync creates the warehouse, unless `has_warehouse` puts an empty one there.
    """

    def __init__(
        self,
        folder: Path,
        sandbox: Sandbox,
        *,
        is_in_dagster: bool = False,
        has_warehouse: bool = False,
        **settings: str,
    ) -> None:
        folder.mkdir(exist_ok=True)
        if has_warehouse:
            prepared.begin_with_empty_warehouse(folder / "data/warehouse.duckdb")
        self.folder = folder
        self._is_in_dagster = is_in_dagster
        self.sandbox = sandbox
        self.url = settings.get("CLARI_WAREHOUSE_URL")
        self._environment = {
            "CLARI_API_KEY": sandbox.api_key,
            "CLARI_BASE_URL": sandbox.base_url,
            "CLARI_FORECAST_IDS": "total_new",
            "CLARI_POLL_INTERVAL_S": "0.02",
            "CLARI_LOST_ANSWER_S": "0.2",
            "DAGSTER_HOME": str(folder / "dagster_home"),
        } | settings

    def sync(self, which: int | str, moment: Moment | None = None) -> bool:
        """Run a sync and wait; returns whether it was killed. Asserts that it otherwise exited with 0."""
        process = self.begun(which, moment)
        process.join()
        assert process.exitcode in {0, -signal.SIGKILL}, (self.folder / "output.txt").read_text()
        return process.exitcode != 0

    def begun(self, which: int | str, moment: Moment | None = None, **settings: str) -> ForkServerProcess:
        """Start a sync without waiting, with more settings."""
        output = self.folder / "output.txt"
        words = (which, moment, self._is_in_dagster)
        return forked.begin(
            sync_and_die, *words, out=output, err=output, folder=self.folder, environment=self._environment | settings
        )

    def output(self) -> str:
        """What the syncs have printed."""
        return (self.folder / "output.txt").read_text()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        return rows_in(self.folder, sql)

    def figures(self) -> list[tuple[Any, ...]]:
        """Every entry, without columns that depend on the time of its export."""
        return figures_in(self.folder)

    def landed(self) -> list[Path]:
        """The files of the landed documents."""
        return sorted((self.folder / "data/landing").glob("[!.]*/*/*/document.zst"))


def rows_in(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the warehouse that syncs in this folder have left."""
    with duckdb.connect(str(folder / "data/warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def figures_in(folder: Path) -> list[tuple[Any, ...]]:
    """Every entry in the warehouse of this folder, without columns that depend on the time of its export."""
    return rows_in(folder, f"select {FIGURES} from clari.forecast_entry order by all")


@contextmanager
def company(**more: Any) -> Iterator[Sandbox]:
    """A sandbox of three people whose jobs take 0.05 s."""
    settings: dict[str, Any] = {"job_seconds": 0.05, "people": 3} | more
    with Sandbox(**settings) as sandbox:
        yield sandbox
