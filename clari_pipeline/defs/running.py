"""The jobs run in this process, a run a quarter, so that each stands in Dagster's UI."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import dagster as dg
from filelock import FileLock

from clari_pipeline.clari import ExportEvent
from clari_pipeline.config.settings import Settings, point_dagster_at
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import AlertKind, PipelineError, section_named, see
from clari_pipeline.defs.graph import build
from clari_pipeline.defs.products import JOB, definitions_of
from clari_pipeline.defs.resources import Exports
from clari_pipeline.sync.outcomes import Outcome
from clari_pipeline.sync.pipeline import Pipeline
from clari_pipeline.sync.products.brought import Brought, brought
from clari_pipeline.sync.runners import MakeRunner

_LONGEST_CAUSE = 200
_UNSET = re.compile(r'environment variable "?(\w+)"? which is not set')
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class DagsterUnavailable(PipelineError):
    """Dagster keeps its runs in a place that cannot be opened. One line: cause and remedy."""


@contextmanager
def instance_of(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance, as `dagster.yaml` says. Raises `DagsterUnavailable`, before Clari is asked for anything."""
    home = point_dagster_at(settings)
    try:
        # Two first runs at once would both make the tables of Dagster's SQLite, and one of them fail.
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
def job_runners(settings: Settings) -> Iterator[MakeRunner]:
    """Makes runners whose runs stand in Dagster's instance, as `dagster.yaml` says. Raises `DagsterUnavailable`."""
    with instance_of(settings) as instance:
        yield partial(JobRunner, instance)


class _Arrived:
    """The exports of a sync. Once those of a quarter have come, the warehouse's file stays open for `stack`'s time."""

    def __init__(self, exports: Exports, pipeline: Pipeline) -> None:
        self._exports, self._pipeline = exports, pipeline
        self.run_id = exports.run_id
        self.stack = ExitStack()

    def take(self, quarter_id: str, hear: Callable[[ExportEvent], None]) -> list[str]:
        """Wait for a quarter's exports, as `Exports` do."""
        request_ids = self._exports.take(quarter_id, hear)
        self.stack.enter_context(self._pipeline.warehouse.kept_open())
        return request_ids


class JobRunner:
    """Runs `sync_quarter` and `refresh_marts` in this process, one after the other.

    In-process runs in several threads of one process hang on Dagster's SQLite storage: hence one at a time, behind
    exports that go on all at once.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        pipeline: Pipeline,
        exports: Exports,
        quarters: list[Quarter],
        tags: Mapping[str, str],
    ) -> None:
        self._instance = instance
        self._definitions = build(pipeline.settings, quarters, board_follows=False)
        self._pipeline, self._run_id = pipeline, exports.run_id
        self._exports = _Arrived(exports, pipeline)
        self._resources = {"pipeline": pipeline, "exports": self._exports}
        self._tags = {"clari/sync": exports.run_id, **tags}

    def sync_quarter(self, quarter: Quarter) -> tuple[str | None, list[Outcome]]:
        """Run one quarter; what went wrong, or None, and what became of its exports, as the ledger has it."""
        with self._exports.stack:
            trouble = self._run("sync_quarter", partition_key=str(quarter))
            return trouble, self._pipeline.outcomes(self._pipeline.requests_of_run(self._run_id, str(quarter)))

    def refresh_marts(self) -> str | None:
        """Make the marts and the copy for readers anew, without the board; what went wrong, or None."""
        return self._run("refresh_marts")

    def bring(self, product: str) -> Brought:
        """Bring one product, in a run of its own; what came of it."""
        # A part of a job cannot be given resources: hence a job of this product alone.
        only = definitions_of(self._pipeline.settings, product)
        trouble = self._run(JOB, only, tags={"clari/product": product})
        found = brought(self._pipeline, product, run_id=self._run_id)
        return replace(found, trouble=trouble) if trouble and not found.failures else found

    def _run(
        self,
        job: str,
        definitions: dg.Definitions | None = None,
        *,
        partition_key: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str | None:
        """Run a job; what went wrong, or None. Dagster catches the stop: it is raised again."""
        result = (
            (definitions or self._definitions)
            .resolve_job_def(job)
            .execute_in_process(
                instance=self._instance,
                partition_key=partition_key,
                resources=self._resources,
                run_config=_QUIET,
                raise_on_error=False,
                tags={**self._tags, **(tags or {})},
            )
        )
        if result.success:
            return None
        for event in result.all_events:
            if event.is_step_failure and event.step_failure_data.error is not None:
                error = event.step_failure_data.error
                if error.cls_name == KeyboardInterrupt.__name__:
                    raise KeyboardInterrupt
                cause = error.cause or error
                metadata = event.step_failure_data.user_failure_data
                said = cause.message.strip().splitlines()[0].partition(f".{cause.cls_name}: ")  # Dagster's way
                told = (metadata.description if metadata else None) or said[2] or said[0]
                return see(told, section_named(cause.cls_name or "", told))
        return see(f"{job} failed: see its run in Dagster", AlertKind.RUN_FAILED)
