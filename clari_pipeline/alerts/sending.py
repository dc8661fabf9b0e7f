"""Alerts on their way to people: to every channel that lacks them, once, and marked when they are taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from clari_pipeline.core.runbook import Remark, see
from clari_pipeline.notify import (
    Alert,
    Channel,
    Channels,
    Headline,
    Message,
    compose,
    open_channels,
)
from clari_pipeline.store import alert_rows
from clari_pipeline.sync.pipeline import Pipeline
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record

SENT_WITHIN = timedelta(days=7)
_LONGEST_SENDING_S = 300


@dataclass(frozen=True, slots=True)
class Sent:
    """What sending came to: how many alerts every channel has taken now, and what went wrong, a line a channel."""

    alerts: int
    troubles: tuple[str, ...] = ()


def send_alerts(pipeline: Pipeline, *, named: Sequence[str] = ()) -> Sent:
    """Send what is not sent yet to every channel that has not taken it, and mark it. Raises `SettingsError`.

    A channel that is down keeps nothing from the others: it is sent its part by the next run. What is older than a
    week is sent only if it is `named`.
    """
    channels = open_channels(pipeline.settings.alert_urls)
    with pipeline.warehouse.sending_lock(timeout_s=_LONGEST_SENDING_S):
        return _send(pipeline, channels, named)


def _send(pipeline: Pipeline, channels: Channels, named: Sequence[str]) -> Sent:
    with pipeline.warehouse.session() as session:
        waiting = alert_rows.unsent(session, not_before=pipeline.now() - SENT_WITHIN, alert_keys=named)
        taken = alert_rows.deliveries(session, (alert["alert_key"] for alert in waiting))
        headlines = _headlines(session, waiting)
    if not waiting or not channels:
        return Sent(0)
    errors: dict[Channel, str] = {}
    for message, to in _messages(pipeline, waiting, taken, headlines, channels):
        for channel, delivery in zip(to, channels.deliver_each(dict.fromkeys(to, message)), strict=True):
            if delivery.error is not None:
                errors[channel] = delivery.error
                continue
            with pipeline.warehouse.transaction("alerts") as session:
                for key in message.alert_keys:
                    alert_rows.delivered(session, key, channel.id, at=pipeline.now())
    return Sent(
        _mark(pipeline, waiting, channels, errors),
        tuple(
            see(f"alert channel {channel.name}: {error}; the next run sends again", Remark.ALERT_NOT_SENT)
            for channel, error in errors.items()
        ),
    )


def _messages(
    pipeline: Pipeline,
    waiting: Sequence[Record],
    taken: set[tuple[str, str]],
    headlines: dict[tuple[str, str], Headline],
    channels: Channels,
) -> Iterable[tuple[Message, list[Channel]]]:
    """Messages and the channels that each goes to: those that lack the same alerts get the same."""
    lacking: defaultdict[tuple[str, ...], list[Channel]] = defaultdict(list)
    for channel in channels:
        lacking[tuple(one["alert_key"] for one in waiting if (one["alert_key"], channel.id) not in taken)].append(
            channel
        )
    by_key = {alert["alert_key"]: alert for alert in waiting}
    for missing, to in lacking.items():
        alerts = [alert_of(by_key[key]) for key in missing]
        look = [f"clari.forecast_swing in {pipeline.warehouse.place}", "clari-pipeline status"]
        env = pipeline.settings.env
        for message in compose(alerts, headlines, where_to_look=look, environment=env) if alerts else ():
            yield message, to


def _mark(pipeline: Pipeline, waiting: Sequence[Record], channels: Channels, errors: dict[Channel, str]) -> int:
    """Mark what was tried; how many alerts every channel has taken now."""
    last_error = "; ".join(f"{channel.name}: {error}" for channel, error in errors.items()) or None
    sent = 0
    with pipeline.warehouse.transaction("alerts") as session:
        taken = alert_rows.deliveries(session, (alert["alert_key"] for alert in waiting))
        for alert in waiting:
            is_sent = all((alert["alert_key"], channel.id) in taken for channel in channels)
            sent += is_sent
            alert_rows.tried(
                session,
                alert["alert_key"],
                is_sent=is_sent,
                last_error=None if is_sent else last_error,
                at=pipeline.now(),
            )
    return sent


def _headlines(session: Session, waiting: Iterable[Record]) -> dict[tuple[str, str], Headline]:
    """The top call of each forecast and quarter in which something swung, for the field that swung most."""
    headlines: dict[tuple[str, str], Headline] = {}
    swings = [alert["detail"] for alert in waiting if alert["kind"] in {"forecast_swing", "mass_change"}]
    for swing in sorted(swings, key=_size, reverse=True):
        where = (swing["forecast_id"], swing["quarter_id"])
        if where in headlines or not swing.get("job_id"):
            continue
        top = alert_rows.headline(
            session, swing["job_id"], time_period_id=swing["time_period_id"], field_id=swing["field_id"]
        )
        people = alert_rows.moved_people(session, swing["job_id"])
        headlines[where] = Headline(
            *where,
            **top | {"field_name": top["field_name"] or swing["field_name"]},
            newcomers=people["new"],
            leavers=people["disappeared"],
        )
    return headlines


def _size(swing: dict[str, Any]) -> Decimal:
    return abs(Decimal(swing.get("change_amount") or 0))


def alert_of(found: Record) -> Alert:
    """A row of `alert` as the room of messages knows it."""
    return Alert(
        key=found["alert_key"],
        **{name: found[name] for name in ("alert_class", "kind", "severity", "title", "created_at", "detail")},
        body=found["body"] or "",
        run_id=found["run_id"] or "",
    )
