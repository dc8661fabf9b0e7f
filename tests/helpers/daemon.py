"""A stand-in for Dagster's daemon: runs quarters in this process, and evaluates sensors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from clari_pipeline.config.settings import point_dagster_at, read_settings
from tests.helpers.beginnings import begin_after
from tests.helpers.sensors import definitions_of, sensor_tick
from tests.helpers.terminal import CURRENT, Terminal

_SENSORS = ("alerts_after_success", "alerts_after_failure")


class Daemon:
    """Runs quarters of an instance, and evaluates its sensors with their cursors."""

    def __init__(self, instance: dg.DagsterInstance, cursors: dict[str, str | None]) -> None:
        self.instance = instance
        self.cursors = cursors
        self._job = definitions_of(read_settings()).resolve_job_def("sync_quarter")

    def sync(self, quarter: Any = CURRENT, *, may_fail: bool = False, tags: Mapping[str, str] | None = None) -> bool:
        """Run a quarter; returns whether it succeeded."""
        self.instance.add_dynamic_partitions("clari_quarters", [str(quarter)])
        run = self._job.execute_in_process(
            instance=self.instance, partition_key=str(quarter), raise_on_error=not may_fail, tags=tags
        )
        return bool(run.success)

    def die(self) -> str:
        """Record an orphaned run as the daemon's run monitoring does; returns its id."""
        run = self.instance.create_run_for_job(self._job, tags={"dagster/partition": str(CURRENT)})
        self.instance.report_run_failed(run, "the run's process is gone")
        return run.run_id

    def tick_sensors(self) -> None:
        """Evaluate each sensor once."""
        self.cursors = {name: sensor_tick(self.instance, name, cursor) for name, cursor in self.cursors.items()}


@contextmanager
def running(terminal: Terminal) -> Iterator[Daemon]:
    """A daemon for an instance in which the current quarter was synced once, in the scenario calm."""
    point_dagster_at(read_settings())

    def sync_once() -> dict[str, str | None]:
        with dg.DagsterInstance.get() as instance:
            daemon = Daemon(instance, dict.fromkeys(_SENSORS))
            daemon.tick_sensors()
            daemon.sync()
            daemon.tick_sensors()
        return daemon.cursors

    cursors = begin_after("daemon synced", sync_once, folder=terminal.folder)
    with dg.DagsterInstance.get() as instance:
        yield Daemon(instance, cursors)
