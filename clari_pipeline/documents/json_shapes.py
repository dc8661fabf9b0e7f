"""Convert the two shapes of JSON, entry by entry, to rows by our column names.

Relational, as production delivers it: one object, five lists in any order [gitlab, singer, airbyte]. Flat, an older
writing: one row per person, no ids [checklist].
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from clari_pipeline.core.periods import FiscalCalendar
from clari_pipeline.documents.contract import KeysSeen
from clari_pipeline.documents.rows import JSON_LISTS, DocumentUnreadable, Lists, Row, days_of, text_of

ENTRY_KEYS = {
    "fieldId": "field_id",
    "timeFrameId": "time_frame_id",
    "timePeriodId": "time_period_id",
    "userId": "user_id",
    "scopeId": "scope_id",
    "currency": "currency_code",
    "forecastValue": "forecast_value",
    "isUpdated": "is_updated",
    "updatedBy": "updated_by",
    "updatedOn": "updated_at",
    "quotaValue": "quota_value",
    "adjustmentValue": "adjustment_value",
    "adjustedBy": "adjusted_by",
    "adjustedOn": "adjusted_at",
    "aggregationTotal": "crm_total",  # the older name: the newer one counts where both have a value
    "crmTotal": "crm_total",
    "crmClosed": "crm_closed",
}
FLAT_AMOUNTS = {
    "forecastAmount": "forecast_value",
    "quotaAmount": "quota_value",
    "crmTotal": "crm_total",
    "crmClosed": "crm_closed",
    "adjustmentAmount": "adjustment_value",
}
FLAT_ONLY = {"ownerName", "ownerEmail", "timePeriod", "forecastAmount", "quotaAmount", "adjustmentAmount"}
"""Keys that the flat shape alone has."""
FLAT_KEYS = FLAT_AMOUNTS.keys() | FLAT_ONLY | {"currency"}


def is_flat(first_entry: object) -> bool:
    """Whether a document is of the flat shape, by its first entry."""
    return isinstance(first_entry, dict) and "fieldId" not in first_entry and not FLAT_ONLY.isdisjoint(first_entry)


def read_lists(document: dict[str, Any], lists: Lists, unknown: Counter[str], seen: KeysSeen) -> None:
    """Add the lists beside the entries of relational JSON. Raises `DocumentUnreadable`."""
    for name, (table, keys) in JSON_LISTS.items():
        items = objects(document.get(name), name)
        seen.add(name, items)
        for item in items:
            lists.add(table, row_of(item, keys, name, unknown))
    for key, value in document.items():
        if key not in JSON_LISTS:
            unknown[key] += value is not None


def objects(items: Any, name: str, *, first: int = 0) -> list[dict[str, Any]]:
    """Check that a value is a list of objects; null is an empty list. `first` is the index of its first element.

    Raises `DocumentUnreadable` with the name of the list and the index of what is no object.
    """
    if items is None:
        return []
    if not isinstance(items, list):
        raise DocumentUnreadable(f"{name} is no list")
    for number, item in enumerate(items, first):
        if not isinstance(item, dict):
            raise DocumentUnreadable(f"{name}[{number}] is no object")
    return items


@dataclass(slots=True)
class FlatPeople:
    """People and periods of a flat document, collected entry by entry.

    The email is the person's id, the one field is `forecast`, the one week the period itself.
    """

    people: dict[str, str | None] = field(default_factory=dict)
    periods: set[str] = field(default_factory=set)

    def entry_row(self, entry: dict[str, Any], unknown: Counter[str]) -> Row:
        """Convert an entry of flat JSON; its person and period are collected for `fill`."""
        email, period = text_of(entry.get("ownerEmail")), text_of(entry.get("timePeriod"))
        if email is not None:
            self.people[email] = text_of(entry.get("ownerName"))
        if period is not None:
            self.periods.add(period)
        for key in entry.keys() - FLAT_KEYS:
            unknown[f"entries.{key}"] += entry[key] is not None
        return {column: text_of(entry.get(key)) for key, column in FLAT_AMOUNTS.items()} | {
            "field_id": "forecast",
            "time_frame_id": period,
            "time_period_id": period,
            "user_id": email,
            "currency_code": _currency_code(entry.get("currency")),
        }

    def fill(self, lists: Lists, calendar: FiscalCalendar) -> None:
        """Add the lists that a flat document does not have: people, periods as weeks, the one field."""
        for email, name in self.people.items():
            lists.add("raw_user", {"user_id": email, "name": name, "email": email})
        for period in sorted(self.periods):
            lists.add(
                "raw_time_frame", {"time_frame_id": period, "time_period_id": period, **days_of(period, calendar)}
            )
        lists.add("raw_field", {"field_id": "forecast", "field_name": "Forecast", "field_type": "FORECAST"})


def row_of(item: dict[str, Any], keys: dict[str, str], name: str, unknown: Counter[str]) -> Row:
    """Convert an item of relational JSON to our column names. Unknown keys are counted: Clari may add some."""
    row: Row = {}
    for key, value in item.items():
        column = keys.get(key)
        if column is None:
            unknown[f"{name}.{key}"] += value is not None
        elif (text := _currency_code(value) if key == "currency" else text_of(value)) is not None:
            if key == "aggregationTotal":
                row.setdefault(column, text)
            else:
                row[column] = text
    return row


def _currency_code(value: Any) -> str | None:
    return text_of(value.get("code") if isinstance(value, dict) else value)
