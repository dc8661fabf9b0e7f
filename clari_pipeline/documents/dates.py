"""Parse the days of a document: strict about the order of day and month, and about the century."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa

from clari_pipeline.documents.rows import DocumentUnreadable

_FIRST_YEAR, _LAST_YEAR = 1990, 2199  # numbers beyond these years are no milliseconds
_DAYS_OF_A_WEEK = 7
_WEEK = timedelta(days=_DAYS_OF_A_WEEK)
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_AMERICAN = re.compile(r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4}|[0-9]{2})")
_MILLISECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?([eE]\+?[0-9]{1,2})?")


def with_days(tables: Mapping[str, pa.Table], zone: str) -> dict[str, pa.Table]:
    """Parse the days of a document's weeks and periods into dates; an empty text is null.

    `zone` is the organisation's time zone. Raises `DocumentUnreadable` for a text that is no day, and where the weeks
    make sense only if the day stands before the month.
    """
    _refuse_day_first(tables, zone)
    dated = dict(tables)
    for table, identifier in (("raw_time_frame", "time_frame_id"), ("raw_time_period", "time_period_id")):
        for column in ("start_date", "end_date"):
            days = []
            for whose, written in zip(*(tables[table][name].to_pylist() for name in (identifier, column)), strict=True):
                days.append(day_of(written or "", zone))
                if days[-1] is None and written and written.strip():
                    raise DocumentUnreadable(
                        f"{column.replace('_', ' ')} of {whose}: {written[:40]!r} "
                        "is no day written YYYY-MM-DD or MM/DD/YYYY"
                    )
            position = dated[table].schema.get_field_index(column)
            dated[table] = dated[table].set_column(position, column, pa.array(days, pa.date32()))
    return dated


def _refuse_day_first(tables: Mapping[str, pa.Table], zone: str) -> None:
    """Raise `DocumentUnreadable` where days are written as DD/MM: only so are all weeks seven days and of their period.

    `05/11/2026 - 11/11/2026` may be a week of November, or half a year from May on: no day above 12 decides.
    """
    periods = {
        one["time_period_id"]: (day_of(one["start_date"] or "", zone), day_of(one["end_date"] or "", zone))
        for one in tables["raw_time_period"].to_pylist()
    }
    weeks = [
        (one["start_date"], one["end_date"] or "", periods.get(one["time_period_id"], (None, None)))
        for one in tables["raw_time_frame"].select(["start_date", "end_date", "time_period_id"]).to_pylist()
        if one["start_date"]
    ]
    if not all(_AMERICAN.fullmatch(day.strip()) for start, end, _ in weeks for day in (start, end) if day.strip()):
        return
    as_written = [(day_of(start, zone), day_of(end, zone), period) for start, end, period in weeks]
    swapped = [(day_of(_swapped(start), zone), day_of(_swapped(end), zone), period) for start, end, period in weeks]
    if weeks and _are_weeks(swapped) and not _are_weeks(as_written):
        raise DocumentUnreadable(
            f"start date {weeks[0][0]!r} has the day before the month: only so are all weeks seven days and "
            "of their period. Write MM/DD/YYYY or YYYY-MM-DD"
        )


def _swapped(written: str) -> str:
    first, slash, rest = written.strip().partition("/")
    second, _, year = rest.partition("/")
    return f"{second}/{first}/{year}" if slash else ""


def _are_weeks(weeks: list[tuple[date | None, date | None, tuple[date | None, date | None]]]) -> bool:
    """Whether each begins on a day, ends within the next seven where it ends, and is of its period.

    The first of a period may end up to a week before it begins [gitlab]. Those without an end begin whole weeks apart.
    """
    for start, end, (first, last) in weeks:
        if start is None or (end is not None and not 0 <= (end - start).days < _DAYS_OF_A_WEEK):
            return False
        until = end or start + timedelta(days=_DAYS_OF_A_WEEK - 1)
        if first is not None and last is not None and not (start <= last and until + _WEEK >= first):
            return False
    starts = [start for start, end, _ in weeks if start is not None and end is None]
    return all((start - starts[0]).days % _DAYS_OF_A_WEEK == 0 for start in starts)


def day_of(written: str, zone: str) -> date | None:
    """The day that a document writes: `2026-10-05`, `10/05/2026` (month first [spec]), `10/05/26`, or a moment.

    A moment (ISO 8601, or milliseconds since 1970) at midnight of its own clock is that day; else it is the day that
    it falls on in `zone`. A year of two digits is of this century. All else is None, such as a day above 12 before
    its month, or a year outside 1990 to 2199.
    """
    text = written.strip()
    try:
        if _ISO.fullmatch(text):
            moment = datetime.fromisoformat(text)
        elif found := _AMERICAN.fullmatch(text):
            year = int(found["year"]) + 2000 * (len(found["year"]) == 2)
            moment = datetime(year, int(found["month"]), int(found["day"]), tzinfo=UTC)
        elif _MILLISECONDS.fullmatch(text):
            moment = datetime.fromtimestamp(int(Decimal(text)) / 1000, UTC)
        else:
            return None
        if moment.tzinfo is not None and moment.time() != time():
            moment = moment.astimezone(ZoneInfo(zone))
    except (ValueError, OverflowError, OSError):
        return None
    return moment.date() if _FIRST_YEAR <= moment.year <= _LAST_YEAR else None
