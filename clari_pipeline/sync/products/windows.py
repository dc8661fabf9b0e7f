"""Which days are to be asked for, and in windows of how many: none longer than Clari lately cut off.

A day is settled once a document that was made more than so many days after it has shown it whole. Until then each
sync asks for it again, so that what a failed, refused or killed export has left out is asked for by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

DAY = timedelta(days=1)


def midnight(day: date) -> datetime:
    """The day's beginning, UTC."""
    return datetime.combine(day, time(), UTC)


class HasWindow(Protocol):
    """What has a window, as the ledger writes it."""

    @property
    def window_from(self) -> datetime | None:
        """The moment at which its first day begins, UTC."""
        ...

    @property
    def window_to(self) -> datetime | None:
        """The moment at which its last day begins, UTC."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Days from the first to the last, both of them in it."""

    first: date
    last: date

    @classmethod
    def of(cls, fetch: HasWindow) -> Window:
        """Of a row of the ledger, by UTC. Raises `ValueError` for a product that has no windows."""
        if fetch.window_from is None or fetch.window_to is None:
            raise ValueError("the ledger has no window of this fetch")
        return cls(fetch.window_from.astimezone(UTC).date(), fetch.window_to.astimezone(UTC).date())

    def __len__(self) -> int:
        """How many days; none where it ends before it begins."""
        return max(0, (self.last - self.first).days + 1)

    def __iter__(self) -> Iterator[date]:
        """Its days."""
        return (self.first + number * DAY for number in range(len(self)))

    def holds(self, other: Window) -> bool:
        """Whether all days of the other are among its own."""
        return self.first <= other.first and other.last <= self.last

    def meets(self, other: Window) -> bool:
        """Whether they have a day in common."""
        return self.first <= other.last and other.first <= self.last

    def cut(self, longest: int) -> Iterator[Window]:
        """Windows of at most so many days, the oldest first."""
        for start in range(0, len(self), longest):
            first = self.first + start * DAY
            yield Window(first, min(first + (longest - 1) * DAY, self.last))

    def halves(self) -> tuple[Window, ...]:
        """The two of them, the older no shorter; itself where it is a day."""
        return tuple(self.cut(-(-len(self) // 2)))

    def shorter_than(self, cut_off: Sequence[Window]) -> Iterator[Window]:
        """Itself in parts, of which none meets one of these that is no longer than itself, unless it is a day."""
        if len(self) > 1 and any(len(one) <= len(self) and one.meets(self) for one in cut_off):
            for half in self.halves():
                yield from half.shorter_than(cut_off)
        else:
            yield self


@dataclass(frozen=True, slots=True)
class WindowResult:
    """A window of which a document came. `is_whole` is false where it was cut off, or too long for another reason.

    `is_final` is false where even a single day may yet come.
    """

    window: Window
    as_of: date
    is_whole: bool
    is_final: bool = True

    @property
    def is_all_there_is(self) -> bool:
        """Whether its days can be had no better: whole, or cut off at a day, which is the least that can be asked."""
        return self.is_whole or (self.is_final and len(self.window) == 1)


def too_long(shown: Sequence[WindowResult]) -> list[Window]:
    """Windows that were cut off, and of which no later document was whole."""
    whole = [one for one in shown if one.is_whole]
    return [
        one.window
        for one in shown
        if not one.is_whole and not any(other.as_of > one.as_of and other.window.holds(one.window) for other in whole)
    ]


def length_that_works(shown: Sequence[WindowResult], unsettled: Sequence[Window]) -> int | None:
    """How many days at once came whole where as many as are wanted were cut off; None where nothing was cut off.

    What was learnt of a window that was cut off holds as long as any of its days is not settled.
    """
    cut_off = [
        one for one in too_long(shown) if any(one.meets(stretch) and len(one) <= len(stretch) for stretch in unsettled)
    ]
    if not cut_off:
        return None
    within = [one for one in shown if any(window.holds(one.window) for window in cut_off)]
    worked = [one for one in within if one.is_whole]
    if not worked:
        return max(1, min(len(one.window) for one in within) // 2)
    newest = max(one.as_of for one in worked)
    return max(len(one.window) for one in worked if one.as_of == newest)


def wanted(
    shown: Iterable[WindowResult], *, today: date, days_back: int, overlap: int, asked_from: date | None = None
) -> list[Window]:
    """Stretches of days that are not settled, the oldest first.

    They begin so many days back, where the oldest document begins, or where the oldest that was ever asked for does. A
    day is settled `overlap` days later.
    """
    final = [one for one in shown if one.is_all_there_is]
    first = min([today - days_back * DAY, asked_from or today, *(one.window.first for one in final if one.is_whole)])
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
