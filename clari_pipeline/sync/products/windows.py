"""Compute the windows of days to export: unsettled days, in windows shorter than those that Clari cut off.

A day is settled once a document exported more than `overlap` days after it contains it whole. Until then each sync
requests it again, so that the next sync makes up for a failed, refused or killed export.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

DAY = timedelta(days=1)


def midnight(day: date) -> datetime:
    """Midnight UTC at which the day begins."""
    return datetime.combine(day, time(), UTC)


class HasWindow(Protocol):
    """A ledger row or fetch with a window."""

    @property
    def window_from(self) -> datetime | None:
        """Midnight UTC of its first day."""
        ...

    @property
    def window_to(self) -> datetime | None:
        """Midnight UTC of its last day."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Days from `first` to `last`, both inclusive; empty if `last` is earlier."""

    first: date
    last: date

    @classmethod
    def of(cls, fetch: HasWindow) -> Window:
        """Of a row of the ledger, by UTC. Raises `ValueError` for a product that has no windows."""
        if fetch.window_from is None or fetch.window_to is None:
            raise ValueError("the ledger has no window of this fetch")
        return cls(fetch.window_from.astimezone(UTC).date(), fetch.window_to.astimezone(UTC).date())

    def __len__(self) -> int:
        """Number of days."""
        return max(0, (self.last - self.first).days + 1)

    def __iter__(self) -> Iterator[date]:
        """Its days in order."""
        return (self.first + number * DAY for number in range(len(self)))

    def contains(self, other: Window) -> bool:
        """Whether all days of the other are in it."""
        return self.first <= other.first and other.last <= self.last

    def overlaps(self, other: Window) -> bool:
        """Whether they have a day in common."""
        return self.first <= other.last and other.first <= self.last

    def split(self, longest: int) -> Iterator[Window]:
        """Split it into windows of at most `longest` days, the oldest first."""
        for start in range(0, len(self), longest):
            first = self.first + start * DAY
            yield Window(first, min(first + (longest - 1) * DAY, self.last))

    def halves(self) -> tuple[Window, ...]:
        """Its two halves, the older no shorter; itself if it is a single day."""
        return tuple(self.split(-(-len(self) // 2)))

    def split_below(self, cut_off: Sequence[Window]) -> Iterator[Window]:
        """Halve it until each part is a single day, or shorter than every window of `cut_off` that overlaps it."""
        if len(self) > 1 and any(len(one) <= len(self) and one.overlaps(self) for one in cut_off):
            for half in self.halves():
                yield from half.split_below(cut_off)
        else:
            yield self


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The result of a window's export as of a day. `is_whole` is false if it was cut off or too large.

    `is_final` is false if a retry of a single day may yet succeed.
    """

    window: Window
    as_of: date
    is_whole: bool
    is_final: bool = True

    @property
    def is_conclusive(self) -> bool:
        """Whether a retry can give no more: it is whole, or a single day, the smallest window, was cut off for good."""
        return self.is_whole or (self.is_final and len(self.window) == 1)


def cut_off_windows(shown: Sequence[WindowResult]) -> list[Window]:
    """Windows that were cut off, and that no later whole document contains."""
    whole = [one for one in shown if one.is_whole]
    return [
        one.window
        for one in shown
        if not one.is_whole
        and not any(other.as_of > one.as_of and other.window.contains(one.window) for other in whole)
    ]


def longest_whole_length(shown: Sequence[WindowResult], unsettled: Sequence[Window]) -> int | None:
    """The window length in days that last came whole within windows that were cut off; None if none is relevant.

    Relevant are cut-off windows that overlap an unsettled stretch at least as long. If nothing came whole within
    them, it is half the shortest.
    """
    cut_off = [
        one
        for one in cut_off_windows(shown)
        if any(one.overlaps(stretch) and len(one) <= len(stretch) for stretch in unsettled)
    ]
    if not cut_off:
        return None
    within = [one for one in shown if any(window.contains(one.window) for window in cut_off)]
    worked = [one for one in within if one.is_whole]
    if not worked:
        return max(1, min(len(one.window) for one in within) // 2)
    newest = max(one.as_of for one in worked)
    return max(len(one.window) for one in worked if one.as_of == newest)


def unsettled_stretches(
    shown: Iterable[WindowResult], *, today: date, days_back: int, overlap: int, requested_from: date | None = None
) -> list[Window]:
    """Stretches of consecutive unsettled days until today, the oldest first.

    They begin `days_back` days ago, at the oldest whole document, or at `requested_from`, whichever is the earliest. A
    day is settled by a document exported more than `overlap` days later.
    """
    final = [one for one in shown if one.is_conclusive]
    first = min(
        [today - days_back * DAY, requested_from or today, *(one.window.first for one in final if one.is_whole)]
    )
    settled = {
        day for one in final for day in Window(one.window.first, min(one.window.last, one.as_of - (overlap + 1) * DAY))
    }
    stretches: list[Window] = []
    for day in Window(first, today):
        if day in settled:
            continue
        if stretches and stretches[-1].last == day - DAY:
            stretches[-1] = Window(stretches[-1].first, day)
        else:
            stretches.append(Window(day, day))
    return stretches
