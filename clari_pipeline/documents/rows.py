"""The rows that every document shape is read into: typed entries, and the lists beside them as text.

An amount is parsed as a decimal, never by way of a float, or it is none. It is stored with four decimals, rounded
half-even; what was rounded is counted.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pyarrow as pa
from pyarrow.lib import StringBuilder

from clari_pipeline.core.periods import FiscalCalendar, Quarter, UnknownPeriod
from clari_pipeline.core.runbook import UNFORESEEN, unforeseen

MEASURES = ("forecast_value", "quota_value", "adjustment_value", "crm_total", "crm_closed")
AMOUNT = pa.decimal128(18, 4)
ENTRY = pa.schema(
    [
        ("field_id", pa.string()),
        ("time_frame_id", pa.string()),
        ("time_period_id", pa.string()),
        ("user_id", pa.string()),
        ("scope_id", pa.string()),
        ("currency_code", pa.string()),
        *((measure, AMOUNT) for measure in MEASURES),
        ("is_updated", pa.bool_()),
        ("updated_by", pa.string()),
        ("updated_at", pa.int64()),  # milliseconds since 1970, UTC
        ("adjusted_by", pa.string()),
        ("adjusted_at", pa.int64()),
    ]
)
JSON_LISTS: dict[str, tuple[str, dict[str, str]]] = {
    "users": (
        "raw_user",
        {
            "userId": "user_id",
            "name": "name",
            "email": "email",
            "crmId": "crm_user_id",
            "scopeId": "scope_id",
            "hierarchyId": "role_id",
            "hierarchyName": "role_name",
            "parentHierarchyId": "parent_role_id",
            "parentHierarchyName": "parent_role_name",
        },
    ),
    "fields": ("raw_field", {"fieldId": "field_id", "fieldName": "field_name", "fieldType": "field_type"}),
    "timePeriods": (
        "raw_time_period",
        {
            "timePeriodId": "time_period_id",
            "type": "period_type",
            "label": "label",
            "year": "year",
            "startDate": "start_date",
            "endDate": "end_date",
            "crmId": "crm_id",
        },
    ),
    "timeFrames": (
        "raw_time_frame",
        {"timeFrameId": "time_frame_id", "startDate": "start_date", "endDate": "end_date"},
    ),
}
"""The lists that relational JSON has beside its entries: the table that each becomes, and the column of each key."""
LISTS = {table: tuple(columns.values()) for table, columns in JSON_LISTS.values()}
LISTS["raw_time_frame"] += ("time_period_id",)  # relational JSON does not say of which period a week is
_UNREADABLE = ("field_id", "time_frame_id", "time_period_id", "user_id", "measure", "written")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
_SMALLEST = Decimal("0.0001")
TOO_LARGE = Decimal(10) ** 14  # amounts from here on are refused
_LONGEST_EXPONENT = 400  # with more digits than this has, a number is zero or refused

# Milliseconds since 1970 of the years 1 to 9999, the range of Python's datetime; BEYOND_TIME is the first after it.
FIRST_MOMENT, BEYOND_TIME = -62_135_596_800_000, 253_402_300_800_000

Row = dict[str, str | None]


class DocumentUnreadable(Exception):
    """The document is not what Clari documents; the message says where."""


class NoDocument(DocumentUnreadable):
    """The file is of another kind: it has neither a document's JSON nor any column of the long CSV."""


UNREADABLE = (DocumentUnreadable, *UNFORESEEN)
"""The errors that a faulty document raises while it is read."""


def why_unreadable(error: BaseException) -> str:
    """Describe one of `UNREADABLE` in one line."""
    return str(error) if isinstance(error, DocumentUnreadable) else f"it cannot be read ({unforeseen(error)})"


class NoAmount(str):
    """A text in the place of an amount that is none, even where it looks like a number."""

    __slots__ = ()


@dataclass(slots=True)
class Rounded:
    """Amounts that had more than four decimals: how many, by field and measure, and by how much at most."""

    counts: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    most: Decimal = Decimal(0)

    def add(self, counts: Mapping[tuple[str | None, str], int], most: Decimal) -> None:
        """Add counts, and a largest difference."""
        self.counts.update(counts)
        self.most = max(self.most, most)


@dataclass(slots=True)
class ControlTotal:
    """Sum and count of one measure of one field, counted in the document's own text."""

    total: Decimal = Decimal(0)
    count: int = 0

    def add(self, amount: Decimal, count: int = 1) -> None:
        """Add an amount, or the sum of several."""
        self.total += amount
        self.count += count


@dataclass(slots=True)
class EntryRows:
    """Entries, converted one by one from text to the types of `ENTRY`.

    `unreadable` are amounts that are no number, with their entries' keys; `rounded` counts those with more decimals.
    """

    columns: dict[str, list[object]] = field(default_factory=lambda: {name: [] for name in ENTRY.names})
    unreadable: list[tuple[str | None, ...]] = field(default_factory=list)
    rounded: Rounded = field(default_factory=Rounded)

    def add(self, row: Row) -> None:
        """Add an entry; columns that it does not name, or leaves empty, are None."""
        for name, values in self.columns.items():
            text = row.get(name) or None
            if text is None:
                values.append(None)
            elif name in MEASURES:
                exact = decimal_of(text)
                amount = None if exact is None else _with_four_decimals(exact)
                values.append(amount)
                if exact is not None and amount is not None and amount != exact:
                    self.rounded.add({(row.get("field_id") or None, name): 1}, abs(amount - exact))
                if amount is None and text.strip():
                    self.unreadable.append((*(row.get(key) or None for key in _UNREADABLE[:4]), name, text))
            elif name in {"updated_at", "adjusted_at"}:
                values.append(moment_of(text))
            elif name == "is_updated":
                values.append(_BOOLEANS.get(text.strip().lower()))
            else:
                values.append(text)

    def table(self) -> pa.Table:
        """The entries. Raises `UnicodeEncodeError` where a text holds half a character."""
        return pa.table({field.name: texts(self.columns[field.name]).cast(field.type) for field in ENTRY}, schema=ENTRY)

    def unreadable_table(self) -> pa.Table:
        """One row per amount that is no number: the entry's key, the measure, what is written."""
        return _text_table({name: [row[at] for row in self.unreadable] for at, name in enumerate(_UNREADABLE)})


@dataclass(slots=True)
class Lists:
    """The lists beside the entries, as text, column by column.

    A week has its period where the document has it: weeks that are numbered within months repeat their ids.
    """

    columns: dict[str, dict[str, list[str | None]]] = field(
        default_factory=lambda: {table: {name: [] for name in names} for table, names in LISTS.items()}
    )

    def add(self, table: str, row: Row) -> None:
        """Add a row; columns that it does not name are None."""
        for name, values in self.columns[table].items():
            values.append(row.get(name))

    def complete_periods(self, named: Iterable[str], calendar: FiscalCalendar) -> None:
        """List the periods that entries name, and give each quarter the days, year and label that are left out."""
        listed = self.columns["raw_time_period"]
        for missing in sorted(set(named).difference(listed["time_period_id"])):
            self.add("raw_time_period", {"time_period_id": missing})
        for position, identifier in enumerate(listed["time_period_id"]):
            if days := days_of(identifier or "", calendar):
                year, _, number = (identifier or "").partition("_Q")
                known = {"period_type": "QUARTER", "label": f"Q{number} FY {year}", "year": year, **days}
                for name, value in known.items():
                    listed[name][position] = listed[name][position] or value

    def tables(self) -> dict[str, pa.Table]:
        """The lists as Arrow, every column text. Raises `UnicodeEncodeError` where a text holds half a character."""
        return {table: _text_table(columns) for table, columns in self.columns.items()}


def days_of(period: str, calendar: FiscalCalendar) -> Row:
    """First and last day of a quarter; nothing for any other period."""
    try:
        quarter = Quarter.parse(period)
    except UnknownPeriod:
        return {}
    return {"start_date": str(calendar.first_day(quarter)), "end_date": str(calendar.last_day(quarter))}


def text_of(value: object) -> str | None:
    """Convert a JSON value to text: numbers as written, an empty text is none, NULs replaced (`without_nul`)."""
    match value:
        case None | "":
            return None
        case bool():
            return "true" if value else "false"
        case str():
            return without_nul(str(value))
        case _:
            return json.dumps(value, ensure_ascii=False)


def without_nul(text: str) -> str:
    """Replace NULs, which PostgreSQL cannot store, by U+FFFD, for every engine alike."""
    return text.replace("\0", "\ufffd")


def amount_of(text: str) -> Decimal | None:
    """Parse an amount and round it half-even to four decimals; None where the text is none, or 10^14 or more."""
    amount = decimal_of(text)
    return None if amount is None else _with_four_decimals(amount)


def exact_amount_of(text: str) -> Decimal | None:
    """Parse an amount without any loss; None where it is none, has more than four decimals, or 10^14 or more."""
    kept = amount_of(text)
    return kept if kept == decimal_of(text) else None


def _with_four_decimals(amount: Decimal) -> Decimal | None:
    """Round half-even; None for 10^14 or more."""
    if not -TOO_LARGE < amount < TOO_LARGE:
        return None
    kept = amount.quantize(_SMALLEST, ROUND_HALF_EVEN)
    return kept if -TOO_LARGE < kept < TOO_LARGE else None


def decimal_of(text: str) -> Decimal | None:
    """Parse a number exactly; None where the text is none."""
    number = text.strip(" \t\r\n")
    if isinstance(text, NoAmount) or not _NUMBER.fullmatch(number):
        return None
    exponent = number.lower().partition("e")[2]
    if len(exponent.lstrip("+-0")) > len(str(_LONGEST_EXPONENT)):
        return Decimal(0) if not number.lower().partition("e")[0].strip("+-0.") else None
    return Decimal(number)


def moment_of(text: str) -> int | None:
    """Parse milliseconds since 1970; None where the text is no number, or no moment of the years 1 to 9999."""
    moment = decimal_of(text)
    if moment is None or not FIRST_MOMENT <= moment < BEYOND_TIME:
        return None
    rounded = int(moment.to_integral_value(ROUND_HALF_UP))
    return rounded if rounded < BEYOND_TIME else None


def _text_table(columns: Mapping[str, Iterable[object]]) -> pa.Table:
    return pa.table({name: texts(values) for name, values in columns.items()})


def texts(values: Iterable[object]) -> pa.StringArray:
    """Build an Arrow array of texts without importing pandas, as Arrow does elsewhere: that takes half a second."""
    builder = StringBuilder()
    builder.append_values([None if value is None else str(value) for value in values])
    return builder.finish()
