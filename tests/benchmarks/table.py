"""Measurements as tables: for a terminal, and to be pasted into a README as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table

from tests.benchmarks.processes import Cost

_WIDE = 160


@dataclass(frozen=True, slots=True)
class Reach:
    """What is to be reached, in words, and whether it was; None where this run cannot tell."""

    words: str
    is_reached: bool | None

    def __str__(self) -> str:
        match self.is_reached:
            case None:
                return self.words
            case True:
                return f"{self.words} ✓"
            case False:
                return f"{self.words} ✗"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured. `bare` is the bare work of the same size, where it can be compared with that.

    Where something else was measured than a process, `seconds` stands for the cost.
    """

    what: str
    cost: Cost | None = None
    bare: Cost | None = None
    reaches: Sequence[Reach] = field(default_factory=tuple)
    seconds: float | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        seconds = self.cost.seconds if self.cost else self.seconds
        return (
            self.what,
            "" if seconds is None else f"{seconds:.2f}",
            f"{self.cost.cpu_seconds:.2f}" if self.cost else "",
            f"{ratio(self.cost, self.bare):.1f} ×" if self.cost and self.bare else "",
            ", ".join(map(str, self.reaches)),
            f"{self.cost.peak_mb:,.0f}" if self.cost else "",
        )


@dataclass(frozen=True, slots=True)
class Size:
    """What one size cost: the bare work and a replay into an empty warehouse. `document_mb` is of 1,000,000 bytes."""

    entries: int
    document_mb: float
    bare: Cost
    replay: Cost

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            f"{self.entries:,}",
            f"{self.document_mb:,.0f}",
            f"{self.bare.seconds:.2f}",
            f"{self.replay.seconds:.2f}",
            f"{ratio(self.replay, self.bare):.1f} ×",
            f"{self.replay.seconds / self.entries * 1e6:.1f}",
            f"{self.bare.peak_mb:,.0f}",
            f"{self.replay.peak_mb:,.0f}",
        )


def ratio(cost: Cost, other: Cost) -> float:
    """How many times as long the one took as the other."""
    return cost.seconds / other.seconds


def show(rows: Iterable[Row], sizes: Iterable[Size], *, about: Iterable[str], console: Console | None = None) -> None:
    """Print both tables and what is to be known about them, a line each."""
    console = console or Console(highlight=False, markup=False, width=_WIDE)
    main = _table("what", "seconds", "CPU s", "ratio", "reach", "peak MB", texts={"what", "reach"})
    for row in rows:
        main.add_row(*row.cells)
    by_size = _table(
        "entries", "document MB", "bare s", "replay s", "ratio", "µs an entry", "bare peak MB", "replay peak MB"
    )
    for size in sizes:
        by_size.add_row(*size.cells)
    for part in (main, by_size, *about):
        console.print(part)
        console.print()


def _table(*columns: str, texts: set[str] = frozenset()) -> Table:  # type: ignore[assignment]
    table = Table(box=box.MARKDOWN, pad_edge=True)
    for column in columns:
        table.add_column(column, justify="left" if column in texts else "right", overflow="fold")
    return table
