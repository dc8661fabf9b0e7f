"""Serialise a document in Clari's formats: relational JSON, the older flat JSON, long CSV."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

from .company import CURRENCIES, Amount, Document, Entry
from .figures import COMMIT, QUOTA
from .people import User
from .quarters import Period

TYPES = frozenset({"forecast", "forecast_updated", "quota", "adjustment", "crm_total", "crm_closed"})
COLUMNS = (
    *("User", "Email", "CRM User ID", "Role", "Parent Role", "Timeframe", "Field", "Week", "Start Day", "End Day"),
    *("Data Type", "Data Value"),
)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


MEASURES = (
    ("forecast", "forecast_value"),
    ("forecast_updated", "is_updated"),
    ("forecast_updated", "updated_by"),
    ("forecast_updated", "updated_on"),
    ("quota", "quota_value"),
    ("adjustment", "adjustment_value"),
    ("adjustment", "adjusted_by"),
    ("adjustment", "adjusted_on"),
    ("crm_total", "crm_total"),
    ("crm_closed", "crm_closed"),
)
"""An export type, and an attribute of an entry that it adds, in the order of relational JSON."""
_KEYS = {name: _camel(name) for _, name in MEASURES}
_PERIOD = {"startDate": "start", "endDate": "end", "crmId": "crm_id"}
_LISTS: dict[str, tuple[str, dict[str, str]]] = {
    "fields": ("fields", {"fieldId": "id", "fieldName": "name", "fieldType": "type"}),
    "users": ("users", {_camel(one.name): one.name for one in fields(User)}),
    "timeFrames": ("time_frames", {"timeFrameId": "id", "startDate": "start", "endDate": "end"}),
    "timePeriods": (
        "time_periods",
        {"timePeriodId": "id", **{name: name for name in ("type", "label", "year")}, **_PERIOD},
    ),
}
"""For each list of relational JSON except the entries: the document's attribute, and a row's attribute by key."""
_text = json.JSONEncoder(ensure_ascii=False).encode

Numbers = Callable[[int, Decimal], str]
"""Formats the n-th amount of a document as a JSON number or string."""


@dataclass(frozen=True)
class Lexeme:
    """Raw JSON text, written verbatim."""

    text: str


def plainly(_number: int, amount: Decimal) -> str:
    """1200000.00, as a number."""
    return format(amount, "f")


def in_many_ways(number: int, amount: Decimal) -> str:
    """1200000.0, 1.2E6, "1200000.00" or 1200000: the notation alternates with the number of the amount."""
    shortest = amount.normalize()
    whole = shortest == shortest.to_integral_value()
    writings = (
        format(shortest, "f") + (".0" if whole else "0"),
        format(shortest, "E").replace("E+", "E"),
        f'"{amount:f}"',
        format(shortest, "f"),
    )
    return writings[number % len(writings)]


@dataclass(frozen=True)
class Style:
    """Variations in writing relational JSON."""

    numbers: Numbers = plainly
    lists: tuple[str, ...] = ("fields", "users", "timeFrames", "entries", "timePeriods")
    more: dict[str, object] | None = None  # unknown keys, added at each level


def relational(document: Document, types: frozenset[str], style: Style) -> Iterator[str]:
    """Yield one JSON object of five lists; an entry has only the measures of the requested types."""
    more = style.more or {}
    count = 0

    def amount(value: object) -> object:
        nonlocal count
        if not isinstance(value, Decimal):
            return value
        count += 1
        return Lexeme(style.numbers(count, value))

    def rows(name: str) -> Iterator[dict[str, Any]]:
        if name == "entries":
            yield from _entries(document, types, amount)
            return
        attribute, keys = _LISTS[name]
        for one in getattr(document, attribute):
            yield {key: getattr(one, of_row) for key, of_row in keys.items()}

    yield "{" + "".join(f"{_text(key)}: {_json(value)},\n" for key, value in more.items())
    for place, name in enumerate(style.lists):
        yield f"{',' if place else ''}\n{_text(name)}: ["
        comma = ""
        for row in rows(name):
            yield f"{comma}\n{_json(row | more)}"
            comma = ","
        yield "\n]"
    yield "\n}\n"


def flat(document: Document, period_id: str) -> Iterator[str]:
    """Yield the older flat JSON: one row per person with the newest Commit, without ids and weeks."""
    newest: dict[str, dict[str, Entry]] = {}
    for entry in document.entries:
        if entry.field_id in {COMMIT.id, QUOTA.id} and entry.user_id and entry.time_frame_id:
            mine = newest.setdefault(entry.user_id, {})
            known = mine.get(entry.field_id)
            if known is None or (known.time_frame_id or "") < entry.time_frame_id:
                mine[entry.field_id] = entry
    rows = []
    for user in document.users:
        mine = newest.get(user.user_id, {})
        call, quota = mine.get(COMMIT.id), mine.get(QUOTA.id)
        rows.append(
            {
                "ownerName": user.name,
                "ownerEmail": user.email,
                "forecastAmount": call and call.forecast_value,
                "quotaAmount": quota and quota.quota_value,
                "crmTotal": call and call.crm_total,
                "crmClosed": call and call.crm_closed,
                "adjustmentAmount": (call and call.adjustment_value) or 0,
                "timePeriod": period_id,
            }
        )
    yield _json({"entries": rows})


def long_csv(document: Document, types: frozenset[str], *, from_screen: bool = False) -> Iterator[str]:
    """Yield CSV of twelve columns, one line per measure; people and fields by name, without ids except the CRM's.

    `from_screen`: as managers export it from Clari's screen [mdas]. Weeks are counted from 1 instead of 0, later weeks
    have lines with empty values, periods are written `FY27 Q2`, and amounts have no currency sign.
    """
    users = {user.user_id: user for user in document.users}
    names = {field.id: field.name for field in document.fields}
    weeks = {
        week.id: (number, week)
        for number, week in enumerate(sorted(document.time_frames, key=lambda one: one.start), int(from_screen))
    }
    periods = {period.id: _on_screen(period) if from_screen else period.label for period in document.time_periods}
    lines = StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in _with_weeks_to_come(document) if from_screen else document.entries:
        user = users.get(entry.user_id or "")
        number, week = weeks.get(entry.time_frame_id or "", ("", None))
        person = (
            (user.name, user.email, user.crm_id, user.hierarchy_name, user.parent_hierarchy_name) if user else ("",) * 5
        )
        when = (str(number), f"{week.start:%m/%d/%Y}", f"{week.end:%m/%d/%Y}") if week else ("",) * 3
        field = names.get(entry.field_id or "", "")
        for data_type, value in _lines(entry, types, _plain if from_screen else _dollars):
            writer.writerow((*person, periods.get(entry.time_period_id or "", ""), field, *when, data_type, value))
        yield lines.getvalue()
        lines.seek(0)
        lines.truncate()
    yield lines.getvalue()


def _entries(document: Document, types: frozenset[str], amount: Callable[[object], object]) -> Iterator[dict[str, Any]]:
    for entry in document.entries:
        row: dict[str, Any] = {
            "fieldId": entry.field_id,
            "timeFrameId": entry.time_frame_id,
            "timePeriodId": entry.time_period_id,
            "userId": entry.user_id,
        }
        if entry.scope_id is not None:
            row["scopeId"] = entry.scope_id
        row["currency"] = {"code": entry.currency, "symbol": CURRENCIES[entry.currency][0]}
        keys = len(row)
        measures = ((_KEYS[name], amount(getattr(entry, name))) for kind, name in MEASURES if kind in types)
        row.update((key, value) for key, value in measures if value is not None)
        if len(row) > keys:
            yield row


def _with_weeks_to_come(document: Document) -> Iterator[Entry]:
    """Yield the entries, and after them an empty one for each person, field and week that has not begun."""
    places: dict[tuple[str | None, str | None], Entry] = {}
    begun = set()
    for entry in document.entries:
        places[entry.user_id, entry.field_id] = entry
        begun.add(entry.time_frame_id)
        yield entry
    for entry in places.values():
        for week in document.time_frames:
            if week.id not in begun:
                yield Entry(
                    entry.field_id, week.id, entry.time_period_id, entry.user_id, entry.currency, forecast_value=""
                )


def _on_screen(period: Period) -> str:
    year, _, number = period.id.partition("_Q")
    return f"FY{year[-2:]} Q{number}" if number else period.label


def _lines(entry: Entry, types: frozenset[str], money: Callable[[Amount, Entry], str]) -> Iterator[tuple[str, str]]:
    measures = (
        ("forecast", "Forecast Value", entry.forecast_value),
        ("quota", "Quota Value", entry.quota_value),
        ("adjustment", "Adjustment Value", entry.adjustment_value),
        ("crm_total", "CRM Total", entry.crm_total),
        ("crm_closed", "CRM Closed", entry.crm_closed),
    )
    call = entry.field_id != QUOTA.id
    for kind, name, value in measures:
        # A call without an override has an empty adjustment; a quota row has no adjustment at all.
        if kind in types and (value is not None or (kind == "adjustment" and call)):
            yield name, money(value, entry)
        if kind == "forecast" and "forecast_updated" in types and entry.is_updated is not None:
            yield "Forecast Updated", "Yes" if entry.is_updated else "No"


def _plain(value: Amount, _entry: Entry) -> str:
    """Format `-2400000.0`: no currency sign, no separators, at least one decimal."""
    if not isinstance(value, Decimal):
        return value or ""
    text = format(value.normalize(), "f")
    return text if "." in text else f"{text}.0"


def _dollars(value: Amount, entry: Entry) -> str:
    """Format `$3,000,190.00`; a negative as `-$1.00` for Commit, else as `($1.00)`."""
    if not isinstance(value, Decimal):
        return value or ""
    text = f"{CURRENCIES[entry.currency][0]}{abs(value):,.2f}"
    if value >= 0:
        return text
    return f"-{text}" if entry.field_id == COMMIT.id else f"({text})"


def _json(value: object) -> str:  # noqa: PLR0911 - one line per kind of value
    match value:
        case dict():
            return "{" + ", ".join(f"{_text(key)}: {_json(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_json, value)) + "]"
        case Decimal():
            return format(value, "f")
        case Lexeme():
            return value.text
        case datetime():
            return str(int(value.timestamp()) * 1000 + value.microsecond // 1000)
        case date():
            return f'"{value.isoformat()}"'
        case _:
            return _text(value)
