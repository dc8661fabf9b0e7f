"""What a person sees while exports go on: bars on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from clari_pipeline.clari import Adopted, Completed, ExportEvent, Landed, Submitted, Submitting, Waited
from clari_pipeline.exports import PlannedExport
from clari_pipeline.sync import Outcome

_MEGABYTE = 1_000_000


class SyncProgress:
    """An observer of exports, and of the merges after them."""

    def __init__(self, console: Console, exports: Sequence[PlannedExport]) -> None:
        self._console = console
        self._labels = {export.request_id: f"{export.request.forecast_id} {export.quarter_id}" for export in exports}
        self._states = dict.fromkeys(self._labels, "planned")
        self._bytes = 0
        self._rows = 0
        self._bars = (
            Progress(
                TextColumn("{task.description:9}", markup=False),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}", markup=False),
                TextColumn("{task.fields[detail]}", markup=False),
                TimeElapsedColumn(),
                console=console,
                transient=True,
            )
            if console.is_terminal
            else None
        )
        if self._bars:
            self._landed = self._bars.add_task("landed", total=len(exports), detail="")
            self._merged = self._bars.add_task("merged", total=len(exports), detail="")

    def __enter__(self) -> Self:
        (self._bars or nullcontext()).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._bars or nullcontext()).__exit__(kind, error, trace)

    def __call__(self, event: ExportEvent) -> None:
        """One thing that happened to an export."""
        match event:
            case Submitting():
                self._note(event.request_id, "submitting")
            case Submitted(job_id=job_id):
                self._note(event.request_id, "running", f"accepted as job {job_id}")
            case Adopted(job_id=job_id):
                self._note(event.request_id, "running", f"answer was lost; found again as job {job_id}")
            case Waited(reason="slot", seconds=seconds):
                self._note(event.request_id, "waiting for a slot", f"waiting {seconds:.0f} s for a free slot")
            case Completed(job=job, wait_seconds=seconds):
                self._note(event.request_id, job.status, f"{job.status} after {seconds:.1f} s")
            case Landed(size=size):
                self._bytes += size
                self._note(event.request_id, "landed", f"landed, {size:,} bytes")
                if self._bars:
                    self._bars.advance(self._landed)
            case _:
                pass

    def merged(self, outcomes: Sequence[Outcome]) -> None:
        """A quarter is through."""
        for outcome in outcomes:
            export = outcome.export
            self._labels.setdefault(export["request_id"], f"{export['forecast_id']} {export['time_period_id']}")
            self._rows += (export["rows_staged"] or 0) if export["state"] == "LOADED" else 0
            self._note(export["request_id"], export["state"], f"{export['state']}, {export['rows_staged'] or 0:,} rows")
            if self._bars:
                self._bars.advance(self._merged)
        self._draw()

    def _note(self, request_id: str, state: str, line: str | None = None) -> None:
        if request_id not in self._labels:
            return
        self._states[request_id] = state
        if self._bars:
            self._draw()
        elif line:
            self._console.print(f"{self._labels[request_id]}: {line}", highlight=False, soft_wrap=True)

    def _draw(self) -> None:
        if self._bars:
            by_state = ", ".join(f"{count} {state}" for state, count in Counter(self._states.values()).items())
            self._bars.update(self._landed, detail=f"{by_state}; {self._bytes / _MEGABYTE:.1f} MB")
            self._bars.update(self._merged, detail=f"{self._rows:,} rows")
