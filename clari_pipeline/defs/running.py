"""Run the jobs of a sync in this process, one run per quarter, so that Dagster's UI shows each."""

import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from filelock import FileLock

from clari_pipeline.clari import ExportEvent
from clari_pipeline.config.settings import Settings, point_dagster_at
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import AlertKind, PipelineError, Problem
from clari_pipeline.defs.assets import key
from clari_pipeline.defs.boards import board_metadata
from clari_pipeline.defs.databases import OpenDatabases
from clari_pipeline.defs.graph import build
from clari_pipeline.defs.origins import SYNC, close_killed, repository_of, tags_of
from clari_pipeline.defs.partitions import add_quarters
from clari_pipeline.defs.problems import observed_problems, problem_of_failure
from clari_pipeline.defs.products import JOB, definitions_of
from clari_pipeline.defs.resources import Exports
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.exporting import ExportRunner
from clari_pipeline.sync.outcomes import outcomes_of
from clari_pipeline.sync.products.results import ProductResult, result_of
from clari_pipeline.sync.publishing import Published
from clari_pipeline.sync.run import MakeSteps, MartsResult, QuarterResult
from clari_pipeline.warehouse.session import Warehouse

if TYPE_CHECKING:
    from clari_pipeline.board import Board

_LONGEST_CAUSE = 200
_UNSET = re.compile(r'environment variable "?(\w+)"? which is not set')
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class DagsterUnavailable(PipelineError):
    """The storage that `dagster.yaml` names cannot be opened. One line: cause and remedy."""


@contextmanager
def instance_of(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance, as `dagster.yaml` defines it. Raises `DagsterUnavailable`, before any export begins."""
    home = point_dagster_at(settings)
    try:
        # Two first runs at once would both create the tables of Dagster's SQLite, and one of them would fail.
        with FileLock(home / ".clari-pipeline.lock"):
            instance = dg.DagsterInstance.get()
    except OSError:
        raise
    except Exception as error:
        unset = _UNSET.search(str(error))
        first = str(error.__context__ or error).strip().partition("\n")[0]
        cause = f"{unset[1]} is not set" if unset else first[:_LONGEST_CAUSE]
        raise DagsterUnavailable(
            f"Dagster, as {home / 'dagster.yaml'} says, cannot be used ({cause}): start the database that it names, "
            "or set what it asks for"
        ) from error
    try:
        yield instance
    finally:
        instance.dispose()


@contextmanager
def job_steps(settings: Settings) -> Iterator[MakeSteps]:
    """A factory of `JobSteps` whose runs are stored in Dagster's instance. Raises `DagsterUnavailable`."""
    with instance_of(settings) as instance, OpenDatabases(settings.dagster_dir) as databases:
        yield partial(JobSteps, instance, databases)


def report_board(settings: Settings, file: Path, shown: "Board") -> None:
    """Report a board that was written outside of Dagster as a materialization. Raises `DagsterUnavailable`."""
    with instance_of(settings) as instance:
        made = dg.AssetMaterialization(key("board"), metadata=board_metadata(file, shown))
        instance.report_runless_asset_event(made)


class _HoldingOpen:
    """The exports of a sync. Once a quarter's have landed, the warehouse stays open until `stack` is closed."""

    def __init__(self, exports: Exports, warehouse: Warehouse) -> None:
        self._exports, self._warehouse = exports, warehouse
        self.run_id = exports.run_id
        self.stack = ExitStack()

    def wait_for_quarter(self, quarter_id: str, observe: Callable[[ExportEvent], None]) -> list[str]:
        """Wait until the quarter's exports have landed or failed; their request ids."""
        request_ids = self._exports.wait_for_quarter(quarter_id, observe)
        self.stack.enter_context(self._warehouse.kept_open())
        return request_ids

    def requests(self, quarter_id: str) -> list[str]:
        """Request ids of what the run brings of a quarter."""
        return self._exports.requests(quarter_id)


class JobSteps:
    """Runs the jobs of one sync in this process, one after the other.

    In-process runs in several threads of one process hang on Dagster's SQLite storage: hence one at a time, behind
    exports that go on all at once.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        databases: OpenDatabases,
        context: Context,
        exports: ExportRunner,
        quarters: Sequence[Quarter],
        tags: Mapping[str, str],
    ) -> None:
        self._instance, self._databases = instance, databases
        close_killed(instance, exports.plan.killed)
        self._repository = repository_of(instance, context.settings.dagster_location)
        self._definitions = build(context.settings, board_follows=False)
        add_quarters(instance, context, quarters)
        self._context, self._run_id = context, exports.run_id
        self._exports = _HoldingOpen(exports, context.warehouse)
        self._resources = {
            "sync_context": dg.ResourceDefinition(self._context_of_a_run),
            "exports": self._exports,
        }
        # Nobody but the next sync repeats them: it goes on with what Clari has.
        self._tags = {
            SYNC: exports.run_id,
            "user": "command line",
            "dagster/max_retries": "0",
            **tags_of(self._repository),
            **tags,
        }

    def sync_quarter(self, quarter: Quarter) -> QuarterResult:
        """Run `sync_quarter` for one quarter. Returns the outcomes of its exports, by the ledger."""
        with self._exports.stack:
            result = self._run("sync_quarter", partition_key=str(quarter), tags={"clari/quarter": str(quarter)})
            outcomes = outcomes_of(self._context.warehouse, self._exports.requests(str(quarter)))
        return QuarterResult(outcomes, _problem_of(result, AlertKind.RUN_FAILED))

    def refresh_marts(self) -> MartsResult:
        """Refresh the marts and publish them, without the board."""
        result = self._run("refresh_marts")
        return MartsResult(
            Published(problems=tuple(observed_problems(result.all_events))), _problem_of(result, AlertKind.RUN_FAILED)
        )

    def sync_product(self, product: str) -> ProductResult:
        """Fetch and merge one product, in a run of `sync_products`."""
        # A run of a job's subset takes no resources of ours: hence a job of this product alone.
        only = definitions_of(self._context.settings, product)
        result = self._run(JOB, only, tags={"clari/product": product})
        context = self._context
        found = result_of(context.warehouse, context.settings, product, run_id=self._run_id)
        problem = None if found.failures else _problem_of(result, AlertKind.RUN_FAILED)
        return replace(found, problem=problem, unrecorded=list(observed_problems(result.all_events)))

    def _context_of_a_run(self, init: dg.InitResourceContext) -> Context:
        """The sync's context. The run that begins with it is given its code location, as those of the daemon have it:
        runs that are executed in a process are created without one.
        """
        run = self._instance.get_run_by_id(init.run.run_id) if init.run else None
        if run is not None:
            self._instance.run_storage.replace_job_origin(run, self._repository.get_job_origin(run.job_name))
        return self._context

    def _run(
        self,
        job: str,
        definitions: dg.Definitions | None = None,
        *,
        partition_key: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run a job. Dagster catches `KeyboardInterrupt`: it is re-raised."""
        run_id = str(uuid.uuid4())
        self._instance.all_logs(run_id)  # makes the file of its events
        self._databases.hold_run(run_id)
        result = (
            (definitions or self._definitions)
            .resolve_job_def(job)
            .execute_in_process(
                instance=self._instance,
                run_id=run_id,
                partition_key=partition_key,
                resources=self._resources,
                run_config=_QUIET,
                raise_on_error=False,
                tags={**self._tags, **(tags or {})},
            )
        )
        errors = (event.step_failure_data.error for event in _failures(result))
        if any(error is not None and error.cls_name == KeyboardInterrupt.__name__ for error in errors):
            raise KeyboardInterrupt
        return result


def _failures(result: dg.ExecuteInProcessResult) -> Iterator[dg.DagsterEvent]:
    return (event for event in result.all_events if event.is_step_failure and event.step_failure_data.error is not None)


def _problem_of(result: dg.ExecuteInProcessResult, kind: AlertKind) -> Problem | None:
    """The problem of the first step that failed; None where the run succeeded."""
    if result.success:
        return None
    found = next(map(problem_of_failure, _failures(result)), None)
    return found or Problem(kind, None, f"{result.job_def.name} failed: see its run in Dagster", AlertKind.RUN_FAILED)
