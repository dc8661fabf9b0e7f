"""Fiscal quarters and months, named as Clari names them (`2026_Q4`)."""

import calendar
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, Self
from zoneinfo import ZoneInfo

from clari_pipeline.core.runbook import PipelineError

_YEAR = "[12][0-9]{3}"  # years 1000 to 2999
_DAY = timedelta(days=1)
_HALF_A_MONTH = timedelta(days=16)
_WEEKS_AT_LEAST, _DAYS_AT_MOST = 12, timedelta(days=110)  # of a whole quarter
_QUARTER = re.compile(rf"({_YEAR})_Q([1-4])")
_BETWEEN = r"[\s_./'\u2019\u2010-\u2015-]*"
# The parts of a label, in any order and each once: a quarter or a month, and a year. Two digits are a year after FY.
_PART = re.compile(
    rf"""{_BETWEEN}(?:
    Q{_BETWEEN}(?P<quarter>[1-4]) (?![0-9])
    | M(?P<month>0?[1-9]|1[0-2]) (?![0-9])
    | FY{_BETWEEN}(?P<fiscal_year>{_YEAR}|[0-9]{{2}}) (?![0-9])
    | (?P<year>{_YEAR}) (?![0-9])
    | (?P<month_name>[A-Z]{{3,9}})
    ){_BETWEEN}""",
    re.VERBOSE | re.IGNORECASE,
)
_CENTURY = 2000  # of a year of two digits
# Not calendar.month_name, which depends on the locale.
_MONTHS = ["january", "february", "march", "april", "may", "june"]
_MONTHS += ["july", "august", "september", "october", "november", "december"]


class UnknownPeriod(PipelineError, ValueError):
    """A text is not a fiscal quarter such as `2026_Q4`."""


@dataclass(frozen=True, order=True, slots=True)
class Quarter:
    """One fiscal quarter: the year that names its fiscal year, and 1 to 4. `FiscalCalendar` maps it to dates."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `2026_Q4`. Raises `UnknownPeriod` for anything else."""
        found = _QUARTER.fullmatch(text)
        if found is None:
            raise UnknownPeriod(f"{text!r} is not a quarter: write it as YYYY_QN, for example 2026_Q4")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.year:04d}_Q{self.number}"

    def shifted(self, quarters: int) -> Self:
        """The quarter so many quarters later (earlier where negative)."""
        year, index = divmod(self.year * 4 + self.number - 1 + quarters, 4)
        return replace(self, year=year, number=index + 1)


@dataclass(frozen=True, slots=True)
class Period:
    """A quarter, a month or a year, as Clari names it (`2026_Q4`, `2026_M1`, `2026`), with its first and last day."""

    id: str
    type: Literal["QUARTER", "MONTH", "YEAR"]
    label: str
    year: int
    first: date
    last: date

    def distance(self, day: date) -> timedelta:
        """How far a day is from the period's middle."""
        return abs(self.first + (self.last - self.first) / 2 - day)


@dataclass(frozen=True, slots=True)
class FiscalCalendar:
    """Maps fiscal quarters to dates, and moments to days.

    `start_month` (1 to 12) is the first month of the fiscal year, which is named after the calendar year in which it
    starts or ends (`named_by`); one that begins up to half a month off is named as if it began with the month. `zone`
    is the organisation's IANA time zone, in which a day begins at midnight; `week_close` is the time of day at which a
    week closes there, on the day after its last. `begins` has the first days of quarters that are known (`knowing`);
    every other quarter begins with a month. Each quarter ends on the day before the next begins.

    `repr` leaves `week_close` and `begins` out: it is part of the fingerprints of what depends on neither.
    """

    start_month: int = 1
    named_by: Literal["start", "end"] = "end"
    zone: str = "UTC"
    week_close: time = field(default=time(), repr=False)
    begins: Mapping[Quarter, date] = field(default_factory=dict, repr=False, hash=False)

    def knowing(self, quarters: Mapping[Quarter, tuple[date, date]]) -> Self:
        """This calendar with the first and last days that documents gave of quarters: these decide.

        The quarter after a known one begins on the day after it, unless it is known itself; the quarter before ends on
        the day before. Days that contradict the settings (`contradicted_by`) are ignored. So are days equal to those by
        the settings (`by_months`): they may have been filled in for a document that gave none.
        """
        known = {
            quarter: days
            for quarter, days in quarters.items()
            if days != self.by_months(quarter) and not self.contradicted_by(quarter, *days)
        }
        begins = {quarter.shifted(1): last + _DAY for quarter, (_, last) in known.items()}
        return replace(self, begins=begins | {quarter: first for quarter, (first, _) in known.items()})

    @property
    def named_ahead(self) -> int:
        """The fiscal year's name minus the calendar year in which it starts: 0 or 1."""
        return int(self.start_month > 1 and self.named_by == "end")

    def day_of(self, moment: datetime) -> date:
        """The date at a moment in the organisation's time zone."""
        return moment.astimezone(ZoneInfo(self.zone)).date()

    def quarter_of(self, day: date) -> Quarter:
        """The quarter that contains a day."""
        months = (day.month - self.start_month) % 12
        begins_in = day.year - (day.month < self.start_month)
        quarter = Quarter(begins_in + self.named_ahead, months // 3 + 1)
        return quarter.shifted((day > self.last_day(quarter)) - (day < self.first_day(quarter)))

    def first_day(self, quarter: Quarter) -> date:
        """The first day of a quarter."""
        known = self.begins.get(quarter)
        return self._first_by_months(quarter) if known is None else known

    def last_day(self, quarter: Quarter) -> date:
        """The last day of a quarter."""
        return self.first_day(quarter.shifted(1)) - _DAY

    def by_months(self, quarter: Quarter) -> tuple[date, date]:
        """First and last day of a quarter by the settings alone: it begins with a month."""
        return self._first_by_months(quarter), self._first_by_months(quarter.shifted(1)) - _DAY

    def _first_by_months(self, quarter: Quarter) -> date:
        year = quarter.year - self.named_ahead
        months = self.start_month - 1 + 3 * (quarter.number - 1)
        return date(year + months // 12, months % 12 + 1, 1)

    def contains(self, quarter: Quarter, first: date, last: date) -> bool:
        """Whether the middle of a period lies in the quarter: 4-4-5 months may reach over its ends."""
        return self.first_day(quarter) <= first + (last - first) / 2 <= self.last_day(quarter)

    def period_of_label(self, label: str, *, day: date | None = None, asked: Quarter | None = None) -> Period | None:
        """Parse a period's label: `FY27 Q2` or `2027_Q2`, `Jul FY27`, `FY 2027` [mdas, spec]; None for any other text.

        A quarter without a year, `Q2`, is the one nearest to `day`, a day of one of its weeks; without a day it is the
        quarter that was `asked` for, if that has this number. A month without FY is of the fiscal year, or of the
        calendar year if that one is nearer to `day`.
        """
        found = _parts_of(label)
        year, quarter = found.get("year"), found.get("quarter")
        if year is None and quarter is not None:
            if day is not None:
                years = [day.year + ahead for ahead in (-1, 0, 1, 2)]
            else:
                years = [asked.year] if asked is not None and asked.number == quarter else []
        elif year is not None:
            years = [year]
            if (month := found.get("month")) is not None and not found["is_fiscal"]:
                years.append(year + self.named_ahead - (month < self.start_month))
        else:
            years = []
        periods = [self._period(one, quarter, found.get("month")) for one in years]
        return min(periods, key=lambda one: one.distance(day) if day else timedelta(0), default=None)

    def _period(self, year: int, quarter: int | None, month: int | None) -> Period:
        """A quarter or a month (1 for January) of a fiscal year, or that year."""
        if quarter is not None:
            of_year = Quarter(year, quarter)
            label, days = f"Q{quarter} FY {year}", (self.first_day(of_year), self.last_day(of_year))
            return Period(str(of_year), "QUARTER", label, year, *days)
        if month is None:
            days = self.first_day(Quarter(year, 1)), self.last_day(Quarter(year, 4))
            return Period(f"{year:04d}", "YEAR", f"FY {year}", year, *days)
        begins = year - self.named_ahead + (month < self.start_month)
        days = date(begins, month, 1), date(begins, month, calendar.monthrange(begins, month)[1])
        # No source says which month Clari's M1 is: it is taken for January, of the fiscal year that the label names.
        return Period(f"{year:04d}_M{month}", "MONTH", f"{_MONTHS[month - 1].title()} FY {year}", year, *days)

    def end_of(self, day: date) -> datetime:
        """The last microsecond, in UTC, of a day in the organisation's time zone. A week ends by `closes`."""
        midnight = datetime.combine(day + _DAY, time(), ZoneInfo(self.zone))
        return midnight.astimezone(UTC) - timedelta(microseconds=1)

    def closes(self, last_day: date) -> datetime:
        """The moment, in UTC, at which the week that ends on `last_day` closes: `week_close` on the day after [gitlab].

        A time that the clocks skip or show twice that day is taken as the later of its two readings, so that no week
        closes before its time: 02:30 on the night that begins summer time is half an hour after 02:00 in winter time.
        """
        at = datetime.combine(last_day + _DAY, self.week_close, ZoneInfo(self.zone))
        return max(at.replace(fold=fold).astimezone(UTC) for fold in (0, 1))

    def moment(self, text: str) -> datetime:
        """Parse ISO 8601 to UTC: a time without a zone is UTC, a date its midnight in `zone`. Raises `ValueError`."""
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
        try:
            date.fromisoformat(text)
        except ValueError:
            return found.replace(tzinfo=UTC)
        return found.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def contradicted_by(self, quarter: Quarter, first: date | None, last: date | None) -> bool:
        """Whether a delivered first or last day of a quarter is more than 16 days off the settings' (`by_months`).

        4-4-5 weeks, and years that begin on the Sunday nearest to a month's first, are within that.
        """
        expected = zip((first, last), self.by_months(quarter), strict=True)
        return any(day is not None and abs(day - known) > _HALF_A_MONTH for day, known in expected)

    def is_elsewhere(self, quarter: Quarter, weeks: int, first: date, last: date) -> bool:
        """Whether a document's weeks, from `first` to `last`, belong to another quarter than the one named.

        That is so where all of them lie more than 32 days outside of it, or where they are a whole quarter (12 weeks or
        more in 110 days) both ends of which contradict the settings.
        """
        begins, ends = self.by_months(quarter)
        if last < begins - 2 * _HALF_A_MONTH or first > ends + 2 * _HALF_A_MONTH:
            return True
        is_whole = weeks >= _WEEKS_AT_LEAST and last - first <= _DAYS_AT_MOST
        return is_whole and self.contradicted_by(quarter, first, None) and self.contradicted_by(quarter, None, last)

    def as_delivered(self, quarter: Quarter, first: date) -> Self | None:
        """A calendar with the `start_month` and `named_by` by which the quarter begins about that day, if any."""
        into_the_month, left_of_it = first.day - 1, calendar.monthrange(first.year, first.month)[1] - first.day + 1
        is_nearer_the_next = left_of_it < into_the_month
        months = first.year * 12 + first.month - 1 + is_nearer_the_next - 3 * (quarter.number - 1)
        begins_in, start_month = months // 12, months % 12 + 1
        for named_by in (self.named_by, "end", "start"):
            found = replace(self, start_month=start_month, named_by=named_by, begins={})
            if begins_in + found.named_ahead == quarter.year:
                return found
        return None

    def around(self, today: date, *, before: int, after: int) -> Iterator[Quarter]:
        """Yield the current quarter, then `before` earlier ones, newest first, then `after` later ones."""
        current = self.quarter_of(today)
        for distance in (*range(0, -before - 1, -1), *range(1, after + 1)):
            yield current.shifted(distance)


def why_no_period(label: str) -> str:
    """One line for people on a label that `period_of_label` cannot parse: what is wrong, and what would be read."""
    if "quarter" in _parts_of(label):
        return (
            f"Timeframe {label!r} names no year, and neither days of its lines nor the quarter asked for say which: "
            f"write {label.strip()} FY 2027"
        )
    return (
        f"Timeframe {label!r} is no period: a quarter (FY27 Q2, Q2 FY 2027), a month (July FY 2027) or a year "
        "(FY 2027) is read"
    )


def _parts_of(label: str) -> dict[str, int]:
    """Parse a label into what it names of `year`, `quarter` and `month` (1 for January), and `is_fiscal` (1 after FY).

    Empty where the label names no period.
    """
    found: dict[str, int] = {"is_fiscal": 0}
    at, text = 0, label.strip()
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or not part.lastgroup:
            return {}
        name, written, at = part.lastgroup, part[part.lastgroup], part.end()
        match name:
            case "fiscal_year":
                name, value = "year", int(written) + _CENTURY * (len(written) == 2)
                found["is_fiscal"] = 1
            case "month_name":
                name, value = "month", _month_of(written)
            case _:
                value = int(written)
        if name in found or not value:
            return {}
        found[name] = value
    if found.keys() >= {"quarter", "month"} or not found.keys() & {"year", "quarter"}:
        return {}
    return found


def _month_of(name: str) -> int:
    """The number of a month by its name, or by at least its first three letters; 0 where it is none."""
    return next((number for number, month in enumerate(_MONTHS, 1) if month.startswith(name.lower())), 0)
