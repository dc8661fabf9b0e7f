"""The steps of a sync called directly, without Dagster runs, for tests of other things: saves two seconds a sync."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

from clari_pipeline.clari import Retry
from clari_pipeline.cli import commands
from clari_pipeline.config.settings import Settings, read_settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.runbook import PipelineError, Problem
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.events import Hooks
from clari_pipeline.sync.exporting import ExportRunner, exporting
from clari_pipeline.sync.loading import Loader
from clari_pipeline.sync.outcomes import outcomes_of
from clari_pipeline.sync.products.results import ProductResult
from clari_pipeline.sync.products.running import ProductRun
from clari_pipeline.sync.publishing import Published, publish
from clari_pipeline.sync.quality import judge_own_rules
from clari_pipeline.sync.refreshing import Marts
from clari_pipeline.sync.run import MakeSteps, MartsResult, OpenSteps, QuarterResult

_Made = TypeVar("_Made")


@contextmanager
def direct_steps(_settings: Settings) -> Iterator[MakeSteps]:
    """An `open_steps` for the command line; the warehouse's file stays open until the sync ends."""
    with ExitStack() as held_open:
        yield partial(DirectSteps, held_open)


class DirectSteps:
    """The steps of a sync; each calls what the Dagster asset calls."""

    def __init__(
        self,
        held_open: ExitStack,
        context: Context,
        runner: ExportRunner,
        quarters: Sequence[Quarter],
        tags: Mapping[str, str],
    ) -> None:
        self._context, self._runner = context, runner
        held_open.enter_context(context.warehouse.kept_open())

    def sync_quarter(self, quarter: Quarter) -> QuarterResult:
        def merge() -> None:
            self._runner.wait_for_quarter(str(quarter))
            Loader(self._context).merge_landed(str(quarter))

        _, problem = _tried(merge)
        return QuarterResult(outcomes_of(self._context.warehouse, self._runner.requests(str(quarter))), problem)

    def refresh_marts(self) -> MartsResult:
        published, problem = _tried(self._refresh_and_publish)
        return MartsResult(published or Published(), problem)

    def _refresh_and_publish(self) -> Published:
        problems = Marts(self._context).refresh_all()
        problems += judge_own_rules(self._context, self._runner.run_id)
        published = publish(self._context.warehouse, self._context.places)
        return replace(published, problems=(*problems, *published.problems))

    def sync_product(self, product: str) -> ProductResult:
        return ProductRun(self._context, product, run_id=self._runner.run_id).run()


def sync(hooks: Hooks, which: int | str, *, open_steps: OpenSteps | None = direct_steps) -> int:
    """Run the command `sync` with hooks, for the last `which` quarters, the one named, or "current" (`--current`)."""
    is_current = which == "current"
    return commands.sync(
        read_settings(),
        quarters=[Quarter.parse(which)] if isinstance(which, str) and not is_current else [],
        forecasts=(),
        last=which if isinstance(which, int) else None,
        as_json=False,
        is_sandbox=False,
        is_current=is_current,
        hooks=hooks,
        open_steps=open_steps,
    )


def exported(
    context: Context,
    quarters: Sequence[Quarter],
    forecasts: Sequence[str],
    *,
    run_id: str = "run",
    is_current: bool = False,
    retry: Retry | None = None,
) -> list[str]:
    """Export these quarters without merging; returns the request ids."""
    with exporting(context, run_id, quarters, forecasts, is_current=is_current, retry=retry) as runner:
        return [request_id for quarter in quarters for request_id in runner.wait_for_quarter(str(quarter))]


def _tried(step: Callable[[], _Made]) -> tuple[_Made | None, Problem | None]:
    """The result of a step, or the problem of its `PipelineError`; other exceptions propagate to the test."""
    try:
        return step(), None
    except PipelineError as error:
        return None, Problem.of_error(error)
