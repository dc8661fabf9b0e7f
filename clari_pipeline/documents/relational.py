"""Relational JSON, as production delivers it: one object, five lists in any order [gitlab, singer, airbyte]."""

from __future__ import annotations

from typing import Any

from clari_pipeline.documents.rows import DocumentUnreadable, RawRows, Row, text_of
from clari_pipeline.documents.totals import totals_of

_ENTRY = {
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
    "aggregationTotal": "crm_total",  # the older name
    "crmTotal": "crm_total",
    "crmClosed": "crm_closed",
}
_LISTS: dict[str, tuple[str, dict[str, str]]] = {
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


def is_relational(document: dict[str, Any]) -> bool:
    """Whether the document names ids, or any of the lists that only this shape has."""
    entries = document.get("entries")
    first = entries[0] if isinstance(entries, list) and entries else {}
    return any(name in document for name in _LISTS) or not isinstance(first, dict) or "fieldId" in first


def read_relational(document: dict[str, Any]) -> RawRows:
    """The five lists as raw rows. Unknown keys are counted, never an error: Clari may add some at any time."""
    rows = RawRows("relational")
    entries = objects(document, "entries", required=True)
    rows.entry_count, rows.control_totals = len(entries), totals_of(entries)
    for entry in entries:
        rows.add_entry(_row(entry, _ENTRY, "entries", rows))
    for name, (table, keys) in _LISTS.items():
        for item in objects(document, name):
            rows.add(table, _row(item, keys, name, rows))
    for key in document.keys() - _LISTS.keys() - {"entries"}:
        rows.unknown_keys[key] += 1
    return rows


def objects(document: dict[str, Any], name: str, *, required: bool = False) -> list[dict[str, Any]]:
    """A list of objects of the document; absent or null is none, unless it is required."""
    items = document.get(name)
    if items is None and not required:
        return []
    if not isinstance(items, list):
        raise DocumentUnreadable(f"{name} is no list")
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise DocumentUnreadable(f"{name}[{number}] is no object")
    return items


def _row(item: dict[str, Any], keys: dict[str, str], name: str, rows: RawRows) -> Row:
    row: Row = {}
    for key, value in item.items():
        column = keys.get(key)
        if column is None:
            rows.unknown_keys[f"{name}.{key}"] += 1
            continue
        text = text_of(value.get("code") if key == "currency" and isinstance(value, dict) else value)
        if text is None:
            continue
        if key == "aggregationTotal":
            row.setdefault(column, text)
        else:
            row[column] = text
    return row
