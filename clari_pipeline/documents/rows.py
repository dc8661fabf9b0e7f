"""Raw rows: what every document shape is turned into before it is typed.

A raw row holds text exactly as the document writes it, or None; `sql/documents/` gives it types. So the
three shapes meet here, and no amount passes through a binary fraction.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

import pyarrow as pa

from clari_pipeline.periods import FiscalCalendar, Quarter, UnknownPeriod

MEASURES = ("forecast_value", "quota_value", "adjustment_value", "crm_total", "crm_closed")
COLUMNS: dict[str, tuple[str, ...]] = {
    "raw_entry": (
        "field_id",
        "time_frame_id",
        "time_period_id",
        "user_id",
        "scope_id",
        "currency_code",
        *MEASURES,
        "is_updated",
        "updated_by",
        "updated_at",
        "adjusted_by",
        "adjusted_at",
    ),
    "raw_user": (
        "user_id",
        "name",
        "email",
        "crm_user_id",
        "scope_id",
        "role_id",
        "role_name",
        "parent_role_id",
        "parent_role_name",
    ),
    "raw_field": ("field_id", "field_name", "field_type"),
    "raw_time_period": ("time_period_id", "period_type", "label", "year", "start_date", "end_date", "crm_id"),
    "raw_time_frame": ("time_frame_id", "start_date", "end_date"),
}
_MOST_DIGITS = 60

Row = dict[str, str | None]


class DocumentUnreadable(Exception):
    """The document is not what Clari documents; the message says where."""


@dataclass(slots=True)
class ControlTotal:
    """Sum and count of one measure of one field, taken from the document's own text."""

    total: Decimal = Decimal(0)
    count: int = 0


@dataclass(slots=True)
class RawRows:
    """One document as text, column by column."""

    shape: str
    entry_count: int = 0
    unknown_keys: Counter[str] = field(default_factory=Counter)
    control_totals: dict[tuple[str | None, str], ControlTotal] = field(default_factory=dict)
    columns: dict[str, dict[str, list[str | None]]] = field(
        default_factory=lambda: {table: {name: [] for name in names} for table, names in COLUMNS.items()}
    )

    def add(self, table: str, row: Row) -> None:
        """Add a row; columns that it does not name are None."""
        for name, values in self.columns[table].items():
            values.append(row.get(name))

    def add_entry(self, row: Row) -> None:
        """Add an entry, its amounts without exponents."""
        for measure in MEASURES:
            text = row.get(measure)
            if text is not None and ("e" in text or "E" in text):
                amount = decimal_of(text)
                row[measure] = text if amount is None else format(amount, "f")
        self.add("raw_entry", row)

    def count_entry(self, row: Row) -> None:
        """Count an entry and its amounts into the control totals."""
        self.entry_count += 1
        for measure in MEASURES:
            text = row.get(measure)
            amount = None if text is None else decimal_of(text)
            if amount is not None:
                control = self.control_totals.setdefault((row.get("field_id"), measure), ControlTotal())
                control.total += amount
                control.count += 1

    def complete_periods(self, calendar: FiscalCalendar) -> None:
        """Give each quarter the days, year and label that the document leaves out."""
        listed = self.columns["raw_time_period"]
        named = {identifier for identifier in self.columns["raw_entry"]["time_period_id"] if identifier is not None}
        for missing in sorted(named.difference(listed["time_period_id"])):
            self.add("raw_time_period", {"time_period_id": missing})
        for position, identifier in enumerate(listed["time_period_id"]):
            try:
                quarter = Quarter.parse(identifier or "")
            except UnknownPeriod:
                continue
            known = {
                "period_type": "QUARTER",
                "label": f"Q{quarter.number} FY {quarter.year}",
                "year": str(quarter.year),
                "start_date": calendar.first_day(quarter).isoformat(),
                "end_date": calendar.last_day(quarter).isoformat(),
            }
            for name, value in known.items():
                listed[name][position] = listed[name][position] or value

    def tables(self) -> dict[str, pa.Table]:
        """The rows as Arrow, every column text. Raises `DocumentUnreadable` on broken Unicode."""
        try:
            "".join(self.unknown_keys).encode()
            return {
                table: pa.table(
                    {name: pa.array(values, pa.string()) for name, values in columns.items()},
                )
                for table, columns in self.columns.items()
            }
        except UnicodeEncodeError as error:
            raise DocumentUnreadable(f"a text holds half a character: {error.reason}") from None


def text_of(value: object) -> str | None:
    """A JSON value as text: numbers were kept as written, an empty text is none."""
    match value:
        case None | "":
            return None
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


def decimal_of(text: str) -> Decimal | None:
    """The exact amount, or None where the text is none (the gate names those)."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        return None
    sane = amount.is_finite() and len(amount.as_tuple().digits) + abs(amount.adjusted()) <= _MOST_DIGITS
    return amount if sane and "_" not in text else None
