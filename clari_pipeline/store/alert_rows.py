"""The table `alert`: written before anything is sent, marked after."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record, row, rows, run

_SWING = ("time_period_id", "user_id", "field_id", "baseline")
_CONTRIBUTORS = 5


def raised(session: Session, *, detail: Mapping[str, Any], **columns: Any) -> None:
    """Write an alert down, unless this occurrence is known. `detail` holds the raw values."""
    run(session, "alerts/raised", detail=json.dumps(detail, default=_plain, ensure_ascii=False), **columns)


def newest_of_class(session: Session, alert_class: str) -> Record | None:
    """The alert of a class that was written last."""
    found = rows(session, "alerts/newest_of_class", alert_class=alert_class)
    return _with_detail(found[0]) if found else None


def pending_exports(session: Session, *, not_before: datetime) -> list[str]:
    """Request ids of exports that were merged or refused, and not reviewed for alerts yet, the oldest first."""
    return [found["request_id"] for found in rows(session, "alerts/exports_pending", not_before=not_before)]


def mark_reviewed(session: Session, request_ids: Iterable[str], *, at: datetime) -> None:
    """Mark these exports as reviewed for alerts."""
    run(session, "alerts/exports_reviewed", request_ids=list(request_ids), at=at)


def pending(session: Session, *, not_before: datetime, alert_keys: Iterable[str] = ()) -> list[Record]:
    """Pending alerts, which some channel has not taken yet, the oldest first; those named, however old."""
    found = rows(session, "alerts/pending", not_before=not_before, alert_keys=list(alert_keys))
    return [_with_detail(one) for one in found]


def deliveries(session: Session, alert_keys: Iterable[str]) -> set[tuple[str, str]]:
    """Which of these alerts which channel has taken: pairs of alert key and channel id."""
    found = rows(session, "alerts/deliveries", alert_keys=list(alert_keys))
    return {(one["alert_key"], one["channel_id"]) for one in found}


def delivered(session: Session, alert_key: str, channel_id: str, *, at: datetime) -> None:
    """A channel has taken an alert."""
    run(session, "alerts/delivered", alert_key=alert_key, channel_id=channel_id, delivered_at=at)


def record_attempt(session: Session, alert_key: str, *, is_sent: bool, last_error: str | None, at: datetime) -> None:
    """Record an attempt to send an alert; `is_sent` once every channel has taken it."""
    run(session, "alerts/attempted", alert_key=alert_key, is_sent=is_sent, last_error=last_error, at=at)


def newest(session: Session, most: int) -> list[Record]:
    """So many of the newest alerts."""
    return rows(session, "alerts/newest", most=most)


def requeue(session: Session, alert_key: str) -> None:
    """Requeue an alert for every channel."""
    run(session, "alerts/requeued", alert_key=alert_key)


def swings(session: Session, job_id: str) -> list[Record]:
    """The swings of an export that alerts report, with all that a message says of them."""
    added: dict[tuple[str, ...], list[Record]] = {}
    apart: dict[tuple[str, ...], list[Record]] = {}
    for found in rows(session, "alerts/contributions", job_id=job_id):
        swing = tuple(found[name] for name in _SWING)
        if found["change_amount"]:
            added.setdefault(swing, []).append({name: found[name] for name in ("user_name", "change_amount")})
        if found["apart"] is not None and found["apart_amount"] != 0:
            shown = {name: found[name] for name in ("user_name", "currency_code", "apart")}
            apart.setdefault(swing, []).append(shown | {"change_amount": found["apart_amount"]})
    return [
        found
        | {
            "contributors": added.get(tuple(found[name] for name in _SWING), [])[:_CONTRIBUTORS] or None,
            "reports_apart": apart.get(tuple(found[name] for name in _SWING)),
        }
        for found in rows(session, "alerts/swings", job_id=job_id)
    ]


def headline(session: Session, job_id: str, *, time_period_id: str, field_id: str) -> Record:
    """The top call of a forecast's quarter, and how it has changed."""
    return row(session, "alerts/headline", job_id=job_id, time_period_id=time_period_id, field_id=field_id)


def moved_people(session: Session, job_id: str) -> dict[str, list[str]]:
    """Names by reason: `new` and `disappeared` since the export before."""
    names: dict[str, list[str]] = {"new": [], "disappeared": []}
    for found in rows(session, "alerts/moved_people", job_id=job_id):
        names[found["reason"]].append(found["user_name"])
    return names


def stale(session: Session, *, quarters: Iterable[str], forecasts: Iterable[str], not_before: datetime) -> list[Record]:
    """Quarters whose newest figures are older than that."""
    named = list(forecasts)
    return rows(
        session,
        "alerts/stale",
        quarters=list(quarters),
        forecasts=named,
        every_forecast=not named,
        not_before=not_before,
    )


def failed_runs(session: Session, run_ids: Iterable[str]) -> set[str]:
    """Those of these runs whose failure, or that of an export of theirs, is written down."""
    return {found["run_id"] for found in rows(session, "alerts/failed_runs", run_ids=list(run_ids))}


def _with_detail(alert: Record) -> Record:
    return alert | {"detail": json.loads(alert["detail"] or "{}")}


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
