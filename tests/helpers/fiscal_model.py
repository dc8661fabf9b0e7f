"""A reference model of fiscal calendars, from the definition: every day of a year is listed and given a quarter."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from clari_pipeline.core.periods import FiscalCalendar, Quarter

_DAY = timedelta(days=1)
Days = dict[date, Quarter]


@dataclass(frozen=True)
class FiscalYears:
    """An organisation's fiscal years, as Salesforce allows them: they begin on any day, and are named by start or end.

    `month` and `day` are those on or nearest to which a year begins. Its quarters are three months each, from that day
    of the month; or, where years begin on a `weekday` (0 is Monday, the nearest), 13 weeks of 4-4-5, and the fourth
    has a fourteenth where the year has 53 weeks. It is named as the year that begins with the nearest month does.
    """

    month: int
    day: int
    weekday: int | None
    named_by: Literal["start", "end"]

    @property
    def settings(self) -> FiscalCalendar:
        """The calendar that the settings can say: the nearest month, and how years are named."""
        nearest = self.month if self.day <= 16 else self.month % 12 + 1
        return FiscalCalendar(nearest, self.named_by)

    def days(self, first: int, last: int) -> Days:
        """Every day of the fiscal years that begin about these calendar years, with its quarter."""
        return {day: quarter for year in range(first, last + 1) for day, quarter in self._year(year).items()}

    def _year(self, year: int) -> Days:
        begins, ends = self._begins(year), self._begins(year + 1)
        listed = [begins + timedelta(days=number) for number in range((ends - begins).days)]
        starts = [begins + timedelta(weeks=13 * number) for number in range(4)]
        if self.weekday is None:
            starts = [self._on(year, self.month + 3 * number) for number in range(4)]
        name = self._name(year)
        return {day: Quarter(name, sum(start <= day for start in starts)) for day in listed}

    def _begins(self, year: int) -> date:
        on = self._on(year, self.month)
        if self.weekday is None:
            return on
        return min((on + timedelta(days=n) for n in range(-3, 4)), key=lambda one: one.weekday() != self.weekday)

    def _on(self, year: int, month: int) -> date:
        return date(year + (month - 1) // 12, (month - 1) % 12 + 1, self.day)

    def _name(self, year: int) -> int:
        """The calendar year of the first or last day of the twelve months that begin with the nearest month."""
        first = date(year, self.month, 1)
        if self.day > 16:
            first = (first + timedelta(days=31)).replace(day=1)
        return (first if self.named_by == "start" else first.replace(year=first.year + 1) - _DAY).year


def quarters_of(days: Days) -> dict[Quarter, tuple[date, date]]:
    """First and last day of each quarter that is listed."""
    found: dict[Quarter, tuple[date, date]] = {}
    for day, quarter in sorted(days.items()):
        found[quarter] = found.get(quarter, (day, day))[0], day
    return found
