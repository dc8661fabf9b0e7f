"""Flat JSON, an older writing: one row a person, no ids [checklist]."""

from __future__ import annotations

from typing import Any

from clari_pipeline.documents.relational import objects
from clari_pipeline.documents.rows import RawRows, Row, text_of
from clari_pipeline.periods import FiscalCalendar, Quarter, UnknownPeriod

_AMOUNTS = {
    "forecastAmount": "forecast_value",
    "quotaAmount": "quota_value",
    "crmTotal": "crm_total",
    "crmClosed": "crm_closed",
    "adjustmentAmount": "adjustment_value",
}
_OTHER = {"ownerName", "ownerEmail", "timePeriod", "currency"}


def read_flat(document: dict[str, Any], calendar: FiscalCalendar) -> RawRows:
    """The email is the person's id, the one field is `forecast`, the one week the period itself."""
    rows = RawRows("flat")
    people: dict[str, str | None] = {}
    periods: set[str] = set()
    for entry in objects(document, "entries", required=True):
        email, period = text_of(entry.get("ownerEmail")), text_of(entry.get("timePeriod"))
        row = {column: text_of(entry.get(key)) for key, column in _AMOUNTS.items()}
        currency = entry.get("currency")
        row |= {
            "field_id": "forecast",
            "time_frame_id": period,
            "time_period_id": period,
            "user_id": email,
            "currency_code": text_of(currency.get("code") if isinstance(currency, dict) else currency),
        }
        rows.count_entry(row)
        rows.add_entry(row)
        if email is not None:
            people[email] = text_of(entry.get("ownerName"))
        if period is not None:
            periods.add(period)
        for key in entry.keys() - _AMOUNTS.keys() - _OTHER:
            rows.unknown_keys[f"entries.{key}"] += 1
    for email, name in people.items():
        rows.add("raw_user", {"user_id": email, "name": name, "email": email})
    for period in sorted(periods):
        rows.add("raw_time_frame", {"time_frame_id": period, **_days(period, calendar)})
    if rows.entry_count:
        rows.add("raw_field", {"field_id": "forecast", "field_name": "Forecast", "field_type": "FORECAST"})
    for key in document.keys() - {"entries"}:
        rows.unknown_keys[key] += 1
    return rows


def _days(period: str, calendar: FiscalCalendar) -> Row:
    try:
        quarter = Quarter.parse(period)
    except UnknownPeriod:
        return {}
    first, last = calendar.first_day(quarter), calendar.last_day(quarter)
    return {"start_date": first.isoformat(), "end_date": last.isoformat()}
