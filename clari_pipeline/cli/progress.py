"""Progress of a sync on stderr: bars on a terminal, plain lines elsewhere."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.spinner import Spinner

from clari_pipeline.clari import (
    Adopted,
    Answered,
    Cancelled,
    Completed,
    ExportEvent,
    Retried,
    Submitted,
    Submitting,
    Waited,
)
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.core.safe_text import printable
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.events import Deferred, Event, Failed, Hooks, Landed, Merged, QuotaRead, Refused, Requeued
from clari_pipeline.sync.exporting import ExportRunner
from clari_pipeline.sync.log_lines import Level, logged
from clari_pipeline.sync.narration import Narrator
from clari_pipeline.sync.planning import Plan
from clari_pipeline.sync.products.results import ProductResult
from clari_pipeline.sync.run import MakeSteps, MartsResult, OpenSteps, QuarterResult, Steps

_MEGABYTE = 1_000_000
_WORDS: dict[type[ExportEvent], str] = {
    Submitting: "submitting",
    Submitted: "running",
    Adopted: "running",
    Answered: "without a job",
    Cancelled: "cancelled",
    Requeued: "queued again",
    Deferred: "put off",
    Landed: "landed",
    Merged: "LOADED",
    Refused: "REFUSED",
}


class _Bars(Progress):
    """The bars, below a line that says what is being done."""

    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        self.now = Spinner("dots")
        super().__init__(*columns, console=console, transient=True, disable=not console.is_terminal)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Called by Rich for what is shown."""
        yield self.now
        yield from super().get_renderables()


class SyncProgress:
    """Shows the events of exports and merges; an observer that registers itself with `hooks`."""

    def __init__(self, console: Console, hooks: Hooks) -> None:
        self._console = console
        self._states: dict[tuple[str, str], str] = {}
        self._narrator = Narrator()
        self._bytes = 0
        self._rows = 0
        self._bars = _Bars(
            TextColumn("{task.description:9}", markup=False),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}", markup=False),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeElapsedColumn(),
            console=console,
        )
        self._landed = self._bars.add_task("landed", total=None, detail="", visible=False)
        self._merged = self._bars.add_task("merged", total=None, detail="", visible=False)
        hooks.add(self)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def doing(self, what: str) -> None:
        """Show, on a terminal, what is being done."""
        self._bars.now.update(text=printable(what))

    def expect(self, plan: Plan, products: int) -> None:
        """Set the totals of the bars from the plan, and the number of other products to fetch."""
        if found := len(plan.finished) + sum(export.left_behind is not None for export in plan.exports):
            self._print(f"Resuming an interrupted run: {found} exports")
        if plan.recovered:
            self._print(f"{len(plan.recovered)} exports of earlier runs are fetched from Clari beside the new ones")
        total = len(plan.exports) + len(plan.recovered) + products
        self._bars.update(self._landed, total=total, visible=True)
        self._bars.update(self._merged, total=total + len(plan.finished), visible=True)

    def __call__(self, event: Event) -> None:
        """Update the bars with an event, and print its line."""
        line = self._narrator(event)
        if isinstance(event, QuotaRead):
            if line:
                self._print(line, "warning" if self._narrator.is_warning(event) else "info")
            return
        which = (event.forecast_id, event.time_period_id)
        self._states[which] = _state_after(event) or self._states.get(which, "planned")
        self._bytes += event.size if isinstance(event, Landed) else 0
        self._rows += event.rows_staged if isinstance(event, Merged) else 0
        by_state = ", ".join(f"{count} {state}" for state, count in Counter(self._states.values()).items())
        self._bars.update(
            self._landed,
            detail=printable(f"{by_state}; {self._bytes / _MEGABYTE:.1f} MB"),  # the bars bypass `render_str`
            advance=isinstance(event, Landed),
        )
        self._bars.update(
            self._merged, detail=f"{self._rows:,} rows", advance=isinstance(event, Merged | Refused | Failed)
        )
        if line and not isinstance(event, Retried) and (self._bars.disable or self._narrator.is_warning(event)):
            # What has failed is said once, at the end, with all that it concerns.
            said = _state_after(event) if isinstance(event, Refused | Failed) else line
            self._print(f"{' '.join(which)}: {said}", "warning" if self._narrator.is_warning(event) else "info")

    def _print(self, line: str, level: Level = "info") -> None:
        self._console.print(logged(line, level, sys.stderr), highlight=False, soft_wrap=True)


def _state_after(event: ExportEvent) -> str | None:
    """The state of an export in the bars; None where the event does not change it."""
    match event:
        case Waited(reason="slot"):
            return "waiting for a slot"
        case Completed(job=job):
            return job.status
        case Failed(state=state):
            return state
        case _:
            return _WORDS.get(type(event))


def announcing(open_steps: OpenSteps, doing: Callable[[str], None]) -> OpenSteps:
    """Steps that call `doing` with what each of them does, before it begins."""

    @contextmanager
    def opened(settings: Settings) -> Iterator[MakeSteps]:
        doing("Opening Dagster's instance")
        with open_steps(settings) as make_steps:
            doing("Planning the exports")

            def make(
                context: Context, runner: ExportRunner, quarters: Sequence[Quarter], tags: Mapping[str, str]
            ) -> Steps:
                return _Announced(make_steps(context, runner, quarters, tags), doing)

            yield make

    return opened


class _Announced:
    """Steps, each announced before it begins."""

    def __init__(self, steps: Steps, doing: Callable[[str], None]) -> None:
        self._steps, self._doing = steps, doing

    def sync_quarter(self, quarter: Quarter) -> QuarterResult:
        """Announce and run the step."""
        self._doing(f"Waiting for {quarter}, then checking and merging it")
        return self._steps.sync_quarter(quarter)

    def refresh_marts(self) -> MartsResult:
        """Announce and run the step."""
        self._doing("Refreshing the marts, and publishing them to readers")
        return self._steps.refresh_marts()

    def sync_product(self, product: str) -> ProductResult:
        """Announce and run the step."""
        self._doing(f"Fetching {product}, then checking and merging it")
        return self._steps.sync_product(product)
