"""Flat JSON, an older writing: one row a person, no ids [checklist]."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from clari_pipeline.core.periods import FiscalCalendar, Quarter, UnknownPeriod
from clari_pipeline.documents.rows import Lists, Row, text_of

AMOUNTS = {
    "forecastAmount": "forecast_value",
    "quotaAmount": "quota_value",
    "crmTotal": "crm_total",
    "crmClosed": "crm_closed",
    "adjustmentAmount": "adjustment_value",
}
_OTHER = {"ownerName", "ownerEmail", "timePeriod", "currency"}
OF_THIS_SHAPE = {"ownerName", "ownerEmail", "timePeriod", "forecastAmount", "quotaAmount", "adjustmentAmount"}


@dataclass(slots=True)
class FlatPeople:
    """The email is the person's id, the one field is `forecast`, the one week the period itself."""

    people: dict[str, str | None] = field(default_factory=dict)
    periods: set[str] = field(default_factory=set)

    def entry_row(self, entry: dict[str, Any], unknown: Counter[str]) -> Row:
        """An entry by our names."""
        email, period = text_of(entry.get("ownerEmail")), text_of(entry.get("timePeriod"))
        row = {column: text_of(entry.get(key)) for key, column in AMOUNTS.items()}
        currency = entry.get("currency")
        if email is not None:
            self.people[email] = text_of(entry.get("ownerName"))
        if period is not None:
            self.periods.add(period)
        for key in entry.keys() - AMOUNTS.keys() - _OTHER:
            unknown[f"entries.{key}"] += entry[key] is not None
        return row | {
            "field_id": "forecast",
            "time_frame_id": period,
            "time_period_id": period,
            "user_id": email,
            "currency_code": text_of(currency.get("code") if isinstance(currency, dict) else currency),
        }

    def fill(self, lists: Lists, calendar: FiscalCalendar) -> None:
        """The lists that other shapes bring with them."""
        for email, name in self.people.items():
            lists.add("raw_user", {"user_id": email, "name": name, "email": email})
        for period in sorted(self.periods):
            lists.add("raw_time_frame", {"time_frame_id": period, "time_period_id": period, **_days(period, calendar)})
        lists.add("raw_field", {"field_id": "forecast", "field_name": "Forecast", "field_type": "FORECAST"})


def _days(period: str, calendar: FiscalCalendar) -> Row:
    try:
        quarter = Quarter.parse(period)
    except UnknownPeriod:
        return {}
    first, last = calendar.first_day(quarter), calendar.last_day(quarter)
    return {"start_date": first.isoformat(), "end_date": last.isoformat()}
