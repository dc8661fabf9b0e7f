"""The sandbox's fiscal calendar: quarters, their weeks from Wednesday to Tuesday, their months and their year."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEDNESDAY = 2
_WRITTEN = re.compile(r"([0-9]{4})_Q([1-4])")


@dataclass(frozen=True, slots=True)
class Week:
    """A week of a quarter. One that straddles two quarters is listed in both under the same id [gitlab]."""

    id: str
    start: date
    end: date


@dataclass(frozen=True, slots=True)
class Period:
    """A row of a document's `timePeriods`: a quarter, a month of one, or the year around it."""

    id: str
    type: str
    label: str
    year: str
    start: date
    end: date
    crm_id: str


@dataclass(frozen=True, slots=True)
class Quarter:
    """A fiscal quarter. A fiscal year is named after the calendar year in which it ends."""

    year: int
    number: int
    first_month: int  # the month in which the fiscal year starts

    @property
    def id(self) -> str:
        """The `timePeriod` of an export, such as `2026_Q4`."""
        return f"{self.year}_Q{self.number}"

    @property
    def index(self) -> int:
        """The number of quarters since year 0, for differences."""
        return self.year * 4 + self.number - 1

    @property
    def start(self) -> date:
        """The quarter's first day."""
        return _month_start(self._first_month_index)

    @property
    def end(self) -> date:
        """The quarter's last day."""
        return _month_start(self._first_month_index + 3) - timedelta(days=1)

    @property
    def _first_month_index(self) -> int:
        first_calendar_year = self.year if self.first_month == 1 else self.year - 1
        return first_calendar_year * 12 + self.first_month - 1 + 3 * (self.number - 1)

    def weeks(self) -> list[Week]:
        """Weeks from Wednesday to Tuesday: the first begins before the quarter, the last within it [gitlab]."""
        first = self.start - timedelta(days=(self.start.weekday() - _WEDNESDAY - 1) % 7 + 1)
        starts = [first + timedelta(days=days) for days in range(0, (self.end - first).days + 1, 7)]
        return [Week(f"TF:{start}", start, start + timedelta(days=6)) for start in starts]

    def period(self) -> Period:
        """The quarter as a row of `timePeriods`."""
        label = f"Q{self.number} FY {self.year}"
        return Period(self.id, "QUARTER", label, str(self.year), self.start, self.end, f"0268Z{self.index:010}")

    def fiscal_year(self) -> Period:
        """The fiscal year around it, which documents may list beside the quarter [community]."""
        first, last = (Quarter(self.year, number, self.first_month) for number in (1, 4))
        label = f"FY {self.year}"
        return Period(str(self.year), "YEAR", label, str(self.year), first.start, last.end, f"0267Z{self.year:010}")

    def months(self) -> list[Period]:
        """Its months, with the labels that Clari's monthly tabs write ("July FY 2023")."""
        periods = []
        for index in range(self._first_month_index, self._first_month_index + 3):
            start, end = _month_start(index), _month_start(index + 1) - timedelta(days=1)
            label = f"{MONTHS[start.month - 1]} FY {self.year}"
            name = f"{self.year}_M{start.month}"
            periods.append(Period(name, "MONTH", label, str(self.year), start, end, f"0269Z{index:010}"))
        return periods


def quarter_of(day: date, first_month: int) -> Quarter:
    """The fiscal quarter that contains a day."""
    months = day.year * 12 + day.month - first_month + (12 if first_month > 1 else 0)
    return Quarter(months // 12, months % 12 // 3 + 1, first_month)


def read_quarter(text: str, first_month: int) -> Quarter | None:
    """Parse `2026_Q4`; None for anything else."""
    written = _WRITTEN.fullmatch(text)
    return Quarter(int(written[1]), int(written[2]), first_month) if written else None


def _month_start(index: int) -> date:
    return date(index // 12, index % 12 + 1, 1)
