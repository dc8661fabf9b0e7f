"""Relational JSON, as production delivers it: one object, five lists in any order [gitlab, singer, airbyte]."""

from __future__ import annotations

from collections import Counter
from typing import Any

from clari_pipeline.documents.rows import DocumentUnreadable, Lists, Row, text_of

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
    "aggregationTotal": "crm_total",  # the older name: the newer one counts where both say something
    "crmTotal": "crm_total",
    "crmClosed": "crm_closed",
}
LISTS: dict[str, tuple[str, dict[str, str]]] = {
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
    "fields": (
        "raw_field",
        {"fieldId": "field_id", "fieldName": "field_name", "fieldType": "field_type"},
    ),
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


def entry_row(entry: dict[str, Any], unknown: Counter[str]) -> Row:
    """An entry by our names. Unknown keys are counted, never an error: Clari may add some at any time."""
    return _row(entry, ENTRY_KEYS, "entries", unknown)


def read_lists(document: dict[str, Any], lists: Lists, unknown: Counter[str]) -> None:
    """The lists beside the entries."""
    for name, (table, keys) in LISTS.items():
        for item in objects(document.get(name), name):
            lists.add(table, _row(item, keys, name, unknown))
    for key, value in document.items():
        if key not in LISTS:
            unknown[key] += value is not None


def objects(items: Any, name: str, *, first: int = 0) -> list[dict[str, Any]]:
    """A list of objects; null is none. `first` is the number of the first of them in the document."""
    if items is None:
        return []
    if not isinstance(items, list):
        raise DocumentUnreadable(f"{name} is no list")
    for number, item in enumerate(items, first):
        if not isinstance(item, dict):
            raise DocumentUnreadable(f"{name}[{number}] is no object")
    return items


def _row(item: dict[str, Any], keys: dict[str, str], name: str, unknown: Counter[str]) -> Row:
    row: Row = {}
    for key, value in item.items():
        column = keys.get(key)
        if column is None:
            unknown[f"{name}.{key}"] += value is not None
            continue
        text = text_of(value.get("code") if key == "currency" and isinstance(value, dict) else value)
        if text is None:
            continue
        if key == "aggregationTotal":
            row.setdefault(column, text)
        else:
            row[column] = text
    return row
