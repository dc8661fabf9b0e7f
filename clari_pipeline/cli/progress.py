"""Progress of a sync on stderr: bars on a terminal, plain lines elsewhere."""

from collections import Counter
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

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
from clari_pipeline.core.safe_text import printable
from clari_pipeline.sync.events import (
    Deferred,
    Event,
    Failed,
    Hooks,
    Landed,
    Merged,
    QuotaRead,
    Refused,
    Requeued,
    Shared,
)
from clari_pipeline.sync.narration import Narrator
from clari_pipeline.sync.planning import Plan

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


class SyncProgress:
    """Shows the events of exports and merges; an observer that registers itself with `hooks`."""

    def __init__(self, console: Console, hooks: Hooks) -> None:
        self._console = console
        self._states: dict[tuple[str, str], str] = {}
        self._narrator = Narrator()
        self._bytes = 0
        self._rows = 0
        self._bars = Progress(
            TextColumn("{task.description:9}", markup=False),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}", markup=False),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._landed = self._bars.add_task("landed", total=None, detail="")
        self._merged = self._bars.add_task("merged", total=None, detail="")
        hooks.add(self)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def expect(self, plan: Plan, products: int) -> None:
        """Set the totals of the bars from the plan, and the number of other products to fetch."""
        if found := len(plan.finished) + sum(export.left_behind is not None for export in plan.exports):
            self._print(f"a run that was stopped is continued: {found} of its exports are taken up")
        if plan.beside:
            self._print(f"{len(plan.beside)} exports are under way in another sync: waiting for them")
        if plan.recovered:
            self._print(f"{len(plan.recovered)} exports of earlier runs are fetched from Clari beside the new ones")
        total = len(plan.exports) + len(plan.recovered) + len(plan.beside) + products
        self._bars.update(self._landed, total=total)
        self._bars.update(self._merged, total=total + len(plan.finished))

    def __call__(self, event: Event) -> None:
        """Update the bars with an event, and print its line."""
        line = self._narrator(event)
        if isinstance(event, QuotaRead):
            if line:
                self._print(line)
            return
        which = (event.forecast_id, event.time_period_id)
        self._states[which] = _state_after(event) or self._states.get(which, "planned")
        self._bytes += event.size if isinstance(event, Landed) else 0
        self._rows += event.rows_staged if isinstance(event, Merged) else 0
        by_state = ", ".join(f"{count} {state}" for state, count in Counter(self._states.values()).items())
        is_merged_beside = isinstance(event, Shared) and event.state != "LANDED"
        megabytes = f"{self._bytes / _MEGABYTE:.1f} MB"
        # The bars bypass `render_str`.
        self._count(self._landed, printable(f"{by_state}; {megabytes}"), is_one=isinstance(event, Landed | Shared))
        is_one = is_merged_beside or isinstance(event, Merged | Refused | Failed)
        self._count(self._merged, f"{self._rows:,} rows", is_one=is_one)
        if line and not isinstance(event, Retried) and (self._bars.disable or self._narrator.is_warning(event)):
            self._print(f"{' '.join(which)}: {line}")

    def _count(self, bar: TaskID, detail: str, *, is_one: bool) -> None:
        """Update a bar. Another run's documents are merged here, too, beyond the plan: then its total grows."""
        self._bars.update(bar, detail=detail, advance=is_one)
        task = next(task for task in self._bars.tasks if task.id == bar)
        if task.total is not None and task.completed > task.total:
            self._bars.update(bar, total=task.completed)

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)


def _state_after(event: ExportEvent) -> str | None:
    """The state of an export in the bars; None where the event does not change it."""
    match event:
        case Waited(reason="slot"):
            return "waiting for a slot"
        case Completed(job=job):
            return job.status
        case Failed(state=state) | Shared(state=state):
            return state
        case _:
            return _WORDS.get(type(event))
