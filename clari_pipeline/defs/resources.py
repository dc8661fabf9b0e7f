"""Resources of the assets: the context of a sync, and the exports of a quarter."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

import dagster as dg

from clari_pipeline.alerts.raising import Alerts
from clari_pipeline.clari import ExportEvent
from clari_pipeline.config.settings import read_settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.defs.origins import close_killed
from clari_pipeline.sync.context import Context, StartedBy
from clari_pipeline.sync.exporting import ExportRunner, exporting
from clari_pipeline.sync.outcomes import requests_of_run
from clari_pipeline.sync.own_rules import check_own_rules

_BY_ITSELF = {"dagster/schedule_name", "dagster/sensor_name"}
IS_CURRENT = "clari/current"
"""The tag of a run that brings the newest week alone, without export jobs; its value is ignored."""


class Exports(Protocol):
    """Where a quarter's exports come from."""

    run_id: str

    def wait_for_quarter(self, quarter_id: str, observe: Callable[[ExportEvent], None]) -> list[str]:
        """Wait until the quarter's exports have landed or failed; their request ids. `observe` is given each event."""
        ...

    def requests(self, quarter_id: str) -> list[str]:
        """Request ids of what the run brings of a quarter, those that it shares with another run included."""
        ...


class ExportsOfThisRun:
    """Exports the one quarter of a run that a schedule or a person started.

    The run counts as alive until `stack` is closed, so that no other adopts its exports as those of an orphaned run.
    With `is_current` it brings only the newest week, without export jobs.
    """

    def __init__(
        self,
        sync: Context,
        run_id: str,
        stack: ExitStack,
        *,
        is_current: bool,
        instance: dg.DagsterInstance | None,
    ) -> None:
        self._sync = sync
        self._instance = instance
        self._is_current = is_current
        self._stack = stack
        self._runner: ExportRunner | None = None
        self.run_id = run_id

    def wait_for_quarter(self, quarter_id: str, observe: Callable[[ExportEvent], None]) -> list[str]:
        """Export the quarter now.

        Raises `SettingsError` where a setting, or the call without a job, is missing, `RulesError` where a rule of the
        user's own is wrong.
        """
        check_own_rules(self._sync.settings, self._sync.rules.rules)
        forecasts = self._sync.settings.required_forecasts()
        quarters = [Quarter.parse(quarter_id)]
        self._runner = runner = self._stack.enter_context(
            exporting(
                self._sync,
                self.run_id,
                quarters,
                forecasts,
                is_current=self._is_current,
                current=self._sync.current_quarter(),
            )
        )
        Alerts(self._sync).raise_killed(runner.plan.killed, run_id=self.run_id)
        if self._instance is not None:
            close_killed(self._instance, runner.plan.killed)
        return runner.wait_for_quarter(quarter_id, observe)

    def requests(self, quarter_id: str) -> list[str]:
        """Request ids of what this run has exported of the quarter, in an earlier attempt if not in this process."""
        if self._runner is not None:
            return self._runner.requests(quarter_id)
        return requests_of_run(self._sync.warehouse, self.run_id, quarter_id)


@dg.resource(description="Warehouse, landing folder and rules, from the CLARI_ settings.")
def context_resource(context: dg.InitResourceContext) -> Context:
    """The context that the settings describe, of a run that a schedule, a sensor or a person started."""
    started_by: StartedBy | None = None
    if context.run is not None:
        started_by = "schedule" if _BY_ITSELF.intersection(context.run.tags) else "person"
    return Context.of(read_settings(), started_by=started_by)


@dg.resource(required_resource_keys={"sync_context"}, description="A quarter's exports, asked of Clari in this run.")
@contextmanager
def exports_resource(context: dg.InitResourceContext) -> Iterator[Exports]:
    """Exports made in this run. The command line passes its own instead, which export all quarters in parallel."""
    with ExitStack() as stack:
        run_id, tags = (context.run.run_id, context.run.tags) if context.run else ("", {})
        yield ExportsOfThisRun(
            context.resources.sync_context, run_id, stack, is_current=IS_CURRENT in tags, instance=context.instance
        )
