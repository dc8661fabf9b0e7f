"""Which days are to be asked for, and in windows of how many: none longer than Clari lately cut off.

A day is settled once a document that was made more than so many days after it has shown it whole. Until then each
sync asks for it again, so that what a failed, refused or killed export has left out is asked for by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

from clari_pipeline.warehouse.statements import Record

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Days from the first to the last, both of them in it."""

    first: date
    last: date

    @classmethod
    def of(cls, fetch: Record) -> Window:
        """Of a row of the ledger, by UTC."""
        return cls(*(fetch[name].astimezone(UTC).date() for name in ("window_from", "window_to")))

    def __len__(self) -> int:
        """How many days; none where it ends before it begins."""
        return max(0, (self.last - self.first).days + 1)

    def __iter__(self) -> Iterator[date]:
        """Its days."""
        return (self.first + number * DAY for number in range(len(self)))

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
class Shown:
    """A window of which a document came. `is_whole` is false where Clari has cut the document off."""

    window: Window
    as_of: date
    is_whole: bool

    @property
    def is_all_there_is(self) -> bool:
        """Whether its days can be had no better: whole, or cut off at a day, which is the least that can be asked."""
        return self.is_whole or len(self.window) == 1


def wanted(shown: Iterable[Shown], *, today: date, days_back: int, overlap: int) -> list[Window]:
    """Stretches of days that are not settled, the oldest first.

    They begin so many days back, or where the oldest document begins. A day is settled `overlap` days later.
    """
    final = [one for one in shown if one.is_all_there_is]
    first = min([today - days_back * DAY, *(one.window.first for one in final if one.is_whole)])
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
