"""Compare a document's dates of the quarter with the fiscal calendar of the settings."""

from dataclasses import astuple
from datetime import date
from typing import Any

from clari_pipeline.core.periods import FiscalCalendar, Quarter
from clari_pipeline.store.facts import DeliveredPeriod, WeeksSpan


def contradictions_of(
    quarter: Quarter, periods: list[DeliveredPeriod], weeks: WeeksSpan, calendar: FiscalCalendar
) -> list[dict[str, Any]]:
    """Evidence, a dict a contradiction (`contradiction`), of the quarter's dates in the document.

    The dates of weeks are compared if those of periods contradict nothing: a CSV has no dates of periods. A document of
    another quarter is not compared.
    """
    quarters = {one.time_period_id for one in periods if one.period_type == "QUARTER"}
    is_of_another = bool(quarters) and str(quarter) not in quarters
    delivered = [(one.start_date, one.end_date) for one in periods if one.time_period_id == str(quarter)]
    contradictory = [days for days in delivered if calendar.contradicted_by(quarter, *days)]
    if not (contradictory or is_of_another) and weeks.weeks and calendar.is_elsewhere(quarter, *astuple(weeks)):
        contradictory = [(weeks.start_date, weeks.end_date)]
    return [contradiction(quarter, first, last, calendar) for first, last in contradictory]


def contradiction(quarter: Quarter, first: date | None, last: date | None, calendar: FiscalCalendar) -> dict[str, Any]:
    """Evidence of one: the days that were delivered, those by the settings, and the settings that would be right."""
    right = _right_calendar(quarter, first, last, calendar)
    begins, ends = calendar.by_months(quarter)
    return {
        "summary": ": ".join(cause_and_remedy(quarter, first, last, calendar)),
        "delivered": {"start_date": first, "end_date": last},
        "by_settings": {"start_date": begins, "end_date": ends},
        **_all_settings_of(calendar),
        "right": None if right is None else _all_settings_of(right),
    }


def cause_and_remedy(
    quarter: Quarter, first: date | None, last: date | None, calendar: FiscalCalendar
) -> tuple[str, str]:
    """What contradicts the settings, and what to set: two clauses for people."""
    right = _right_calendar(quarter, first, last, calendar)
    begins, ends = calendar.by_months(quarter)
    return (
        f"{quarter} runs from {first} to {last} at Clari, and by the settings from {begins} to {ends}",
        "no setting makes it so: look at the period in Clari"
        if right is None
        else "set " + " and ".join(f"{name}={value}" for name, value in _settings_of(right, calendar).items()),
    )


def _right_calendar(
    quarter: Quarter, first: date | None, last: date | None, calendar: FiscalCalendar
) -> FiscalCalendar | None:
    """The calendar by whose settings the quarter has these days; None where no settings give it them."""
    right = None if first is None or (last and last <= first) else calendar.as_delivered(quarter, first)
    return None if right is None or right.contradicted_by(quarter, first, last) else right


def lies_in(quarter: Quarter, period: DeliveredPeriod, calendar: FiscalCalendar) -> bool:
    """Whether a period is the quarter, lies around it, or is one of its months: by dates, else by label."""
    if period.time_period_id == str(quarter) or period.is_around:
        return True
    if period.period_type == "QUARTER":
        return False
    if period.start_date is not None and period.end_date is not None:
        return calendar.contains(quarter, period.start_date, period.end_date)
    labelled = calendar.period_of_label(period.label or "")
    if labelled is None or labelled.type != "MONTH":
        return False
    return calendar.contains(quarter, labelled.first, labelled.last)


def unreadable_labels(periods: list[DeliveredPeriod], calendar: FiscalCalendar) -> list[str]:
    """The labels of a CSV's periods that name none, such as `H1 FY27`."""
    return [
        one.time_period_id
        for one in periods
        if one.period_type is None and one.start_date is None and calendar.period_of_label(one.time_period_id) is None
    ]


def _all_settings_of(calendar: FiscalCalendar) -> dict[str, Any]:
    return {
        "CLARI_FISCAL_YEAR_START_MONTH": calendar.start_month,
        "CLARI_FISCAL_YEAR_NAMED_BY": calendar.named_by,
    }


def _settings_of(right: FiscalCalendar, calendar: FiscalCalendar) -> dict[str, Any]:
    """The settings that have to change, with their right values."""
    known = _all_settings_of(calendar)
    return {name: value for name, value in _all_settings_of(right).items() if value != known[name]}
