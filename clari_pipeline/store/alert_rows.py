"""The outbox: `alert`, written before anything is sent, and `alert_delivery`, which channel has accepted which."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from clari_pipeline.warehouse.session import Record, Session, row, rows, rows_as, run

if TYPE_CHECKING:
    from clari_pipeline.notify import Alert

_SWING_KEY = ("time_period_id", "user_id", "field_id", "baseline")
_MOST_CONTRIBUTORS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedSwing:
    """A swing that an alert reports, as the alert's `detail` keeps it.

    Amounts are in the call's currency; `change_pct` and `threshold` are shares (0.20 is 20 %). For a manager
    `reports_change`, `joiners_change`, `leavers_change` and `judgement_change` add up to `change_amount`; `added_up`
    counts the reports in the sum, and `reports_apart` lists those that cannot be added, such as in another currency.
    """

    forecast_id: str
    time_period_id: str
    quarter_id: str
    user_id: str
    previous_user_id: str | None
    user_name: str
    role_name: str | None
    field_id: str
    field_name: str
    baseline: str
    previous_value: Decimal
    current_value: Decimal
    change_amount: Decimal
    change_pct: Decimal | None
    reason: str | None
    threshold: Decimal
    currency_code: str | None
    changed_by: str | None
    changed_at: datetime | None
    crm_closed: Decimal | None
    quota_value: Decimal | None
    gap_to_quota: Decimal | None
    reports_change: Decimal | None
    joiners_change: Decimal | None
    leavers_change: Decimal | None
    judgement_change: Decimal | None
    added_up: int | None
    job_id: str
    exported_at: datetime
    previous_exported_at: datetime | None
    contributors: list[Record] | None
    reports_apart: list[Record] | None


@dataclass(frozen=True, slots=True)
class StaleQuarter:
    """A forecast × quarter whose newest figures, of `exported_at`, are too old."""

    forecast_id: str
    quarter_id: str
    exported_at: datetime


def raised(session: Session, *, detail: Mapping[str, Any], **columns: Any) -> None:
    """Insert a row into `alert`, unless its key is there. `detail` is stored as JSON, amounts and moments as text."""
    run(session, "alerts/raised", detail=json.dumps(detail, default=_json_text, ensure_ascii=False), **columns)


def newest_of_class(session: Session, alert_class: str) -> Alert | None:
    """The newest alert of a class."""
    found = rows(session, "alerts/newest_of_class", alert_class=alert_class)
    return alert_of(found[0]) if found else None


def pending_exports(session: Session, *, not_before: datetime) -> list[str]:
    """Request ids of exports, submitted after `not_before` and merged or refused, that are not reviewed for alerts yet.

    The oldest first.
    """
    return [found["request_id"] for found in rows(session, "alerts/exports_pending", not_before=not_before)]


def mark_reviewed(session: Session, request_ids: Iterable[str], *, at: datetime) -> None:
    """Mark these exports as reviewed for alerts."""
    run(session, "alerts/exports_reviewed", request_ids=list(request_ids), at=at)


def pending(session: Session, *, not_before: datetime, alert_keys: Iterable[str] = ()) -> list[Alert]:
    """Alerts that some channel has not accepted yet, oldest first: created after `not_before`, or in `alert_keys`."""
    found = rows(session, "alerts/pending", not_before=not_before, alert_keys=list(alert_keys))
    return [alert_of(one) for one in found]


def deliveries(session: Session, alert_keys: Iterable[str]) -> set[tuple[str, str]]:
    """Pairs of alert key and channel id: which channel has accepted which of these alerts."""
    found = rows(session, "alerts/deliveries", alert_keys=list(alert_keys))
    return {(one["alert_key"], one["channel_id"]) for one in found}


def delivered(session: Session, alert_key: str, channel_id: str, *, at: datetime) -> None:
    """Record in `alert_delivery` that a channel has accepted an alert."""
    run(session, "alerts/delivered", alert_key=alert_key, channel_id=channel_id, delivered_at=at)


def record_attempt(session: Session, alert_key: str, *, is_sent: bool, last_error: str | None, at: datetime) -> None:
    """Count an attempt to send an alert; `is_sent` marks it as sent, once every channel has accepted it."""
    run(session, "alerts/attempted", alert_key=alert_key, is_sent=is_sent, last_error=last_error, at=at)


def newest(session: Session, most: int) -> list[Record]:
    """The newest alerts, up to `most`."""
    return rows(session, "alerts/newest", most=most)


def requeue(session: Session, alert_key: str) -> None:
    """Requeue an alert: mark it as pending, and as accepted by no channel."""
    run(session, "alerts/requeued", alert_key=alert_key)


def swings(session: Session, job_id: str | None) -> list[ReportedSwing]:
    """The swings of an export that alerts report.

    Each has its five largest contributors, and the reports whose changes cannot be added up.
    """
    contributors: dict[tuple[str, ...], list[Record]] = {}
    apart: dict[tuple[str, ...], list[Record]] = {}
    for found in rows(session, "alerts/contributions", job_id=job_id):
        swing = tuple(found[name] for name in _SWING_KEY)
        if found["change_amount"]:
            contributors.setdefault(swing, []).append({name: found[name] for name in ("user_name", "change_amount")})
        if found["apart"] is not None and found["apart_amount"] != 0:
            shown = {name: found[name] for name in ("user_name", "currency_code", "apart")}
            apart.setdefault(swing, []).append(shown | {"change_amount": found["apart_amount"]})
    return [
        ReportedSwing(
            **found,
            contributors=contributors.get(swing, [])[:_MOST_CONTRIBUTORS] or None,
            reports_apart=apart.get(swing),
        )
        for found in rows(session, "alerts/swings", job_id=job_id)
        for swing in (tuple(found[name] for name in _SWING_KEY),)
    ]


def headline(session: Session, job_id: str, *, time_period_id: str, field_id: str) -> Record:
    """The top person's call in a field and period, and its change since a week ago, or else since the export before."""
    return row(session, "alerts/headline", job_id=job_id, time_period_id=time_period_id, field_id=field_id)


def moved_people(session: Session, job_id: str) -> dict[str, list[str]]:
    """Names of people by reason: `new` or `disappeared` since the export before."""
    names: dict[str, list[str]] = {"new": [], "disappeared": []}
    for found in rows(session, "alerts/moved_people", job_id=job_id):
        names[found["reason"]].append(found["user_name"])
    return names


def stale(
    session: Session, *, quarters: Iterable[str], forecasts: Iterable[str], not_before: datetime
) -> list[StaleQuarter]:
    """Those of `quarters` whose newest merged export is from before `not_before`; no `forecasts` are all."""
    named = list(forecasts)
    return rows_as(
        StaleQuarter,
        session,
        "alerts/stale",
        quarters=list(quarters),
        forecasts=named,
        every_forecast=not named,
        not_before=not_before,
    )


def failed_runs(session: Session, run_ids: Iterable[str]) -> set[str]:
    """Those of these runs that have an alert on their own failure, or on that of one of their exports."""
    return {found["run_id"] for found in rows(session, "alerts/failed_runs", run_ids=list(run_ids))}


def alert_of(found: Record) -> Alert:
    """A row of `alert` as a typed value; columns that no message needs are left out."""
    from clari_pipeline.notify import Alert  # noqa: PLC0415 - a sync without alerts does without the channels' libraries

    return Alert(
        key=found["alert_key"],
        body=found["body"] or "",
        run_id=found["run_id"] or "",
        detail=json.loads(found["detail"] or "{}"),
        **{name: found[name] for name in ("alert_class", "kind", "severity", "title", "created_at")},
    )


def _json_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
