"""Send pending alerts: to each channel that has not accepted them yet, recorded once it has."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from clari_pipeline.alerts.spool import Spool
from clari_pipeline.alerts.where_to_look import WhereToLook
from clari_pipeline.core.runbook import OF_CALLS, AlertKind, Problem, RunbookSection
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
from clari_pipeline.sync.context import Context
from clari_pipeline.warehouse.session import Session

SENT_WITHIN = timedelta(days=7)
_SENDING_LOCK_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Sent:
    """How many alerts every channel has accepted now, and one problem for each channel that failed."""

    alerts: int
    problems: tuple[Problem, ...] = ()


class Outbox:
    """Sends the alerts in `alert`: each is pending until every channel has accepted it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._where_to_look = WhereToLook(context.settings, warehouse=context.warehouse.place)

    def send(self, *, named: Sequence[str] = ()) -> Sent:
        """Send each pending alert to the channels that have not accepted it. Raises `SettingsError`.

        A channel that is down does not hold up the others: the next run retries it. Alerts older than `SENT_WITHIN` are
        sent only if their keys are `named`. Held under the sending lock, so that no two processes send.
        """
        channels = open_channels(self._context.settings.alert_urls)
        with self._context.warehouse.sending_lock(timeout_s=_SENDING_LOCK_TIMEOUT_S):
            return self._send(channels, named)

    def send_without_warehouse(self, failures: Sequence[Problem], *, run_id: str) -> Sent:
        """Send an alert of a failed run at once, and spool it: a later run writes it into the warehouse.

        Sends nothing within `CLARI_ALERT_REPEAT_HOURS` of another spooled one. Raises `SettingsError`.
        """
        spool, now = Spool(self._context.settings.data_dir), self._context.now()
        repeat = timedelta(hours=self._context.settings.alert_repeat_hours)
        if any(now - known["created_at"] < repeat for known in spool.read()):
            return Sent(0)
        row = {
            "alert_key": f"run_failed {run_id}",
            "alert_class": AlertKind.RUN_FAILED.value,
            "kind": AlertKind.RUN_FAILED.value,
            "severity": "P2",
            "title": "A run failed",
            "body": "; ".join(failure.line for failure in failures),
            "created_at": now,
            "run_id": run_id,
        }
        channels = open_channels(self._context.settings.alert_urls)
        alerts = [alert_rows.alert_of(row | {"detail": None})]
        env = self._context.settings.env
        (message,) = compose(alerts, {}, where_to_look=self._where_to_look, environment=env)
        deliveries = dict(zip(channels, channels.deliver(message), strict=True))
        with suppress(OSError):  # its disk may be full, too
            spool.add(row, [channel.id for channel, delivery in deliveries.items() if delivery.error is None])
        problems = [
            Problem(None, None, f"alert channel {d.channel}: {d.error}", RunbookSection.ALERT_NOT_SENT)
            for d in deliveries.values()
            if d.error
        ]
        return Sent(int(bool(deliveries) and not problems), tuple(problems))

    def _send(self, channels: Channels, named: Sequence[str]) -> Sent:
        with self._context.warehouse.session() as session:
            pending = alert_rows.pending(session, not_before=self._context.now() - SENT_WITHIN, alert_keys=named)
            accepted = alert_rows.deliveries(session, (alert.key for alert in pending))
            headlines = _headlines(session, pending)
        if not pending or not channels:
            return Sent(0)
        (current,) = self._context.current_quarters(last=1)
        errors: dict[Channel, str] = {}
        for message, to in self._messages(pending, accepted, headlines, channels, str(current)):
            for channel, delivery in zip(to, channels.deliver(message, to), strict=True):
                if delivery.error is not None:
                    errors[channel] = delivery.error
                    continue
                with self._context.warehouse.transaction("alerts") as session:
                    for key in message.alert_keys:
                        alert_rows.delivered(session, key, channel.id, at=self._context.now())
        return Sent(
            self._mark(pending, channels, errors),
            tuple(
                Problem(
                    None,
                    None,
                    f"alert channel {channel.name}: {error}; the next run sends again",
                    RunbookSection.ALERT_NOT_SENT,
                )
                for channel, error in errors.items()
            ),
        )

    def _messages(
        self,
        pending: Sequence[Alert],
        accepted: set[tuple[str, str]],
        headlines: dict[tuple[str, str], Headline],
        channels: Channels,
        current: str,
    ) -> Iterable[tuple[Message, list[Channel]]]:
        """Messages, each with its channels: one group of messages for all channels that lack the same alerts."""
        lacking: defaultdict[tuple[str, ...], list[Channel]] = defaultdict(list)
        for channel in channels:
            lacking[tuple(one.key for one in pending if (one.key, channel.id) not in accepted)].append(channel)
        by_key = {alert.key: alert for alert in pending}
        for missing, to in lacking.items():
            alerts = [by_key[key] for key in missing]
            messages = compose(
                alerts,
                headlines,
                where_to_look=self._where_to_look,
                environment=self._context.settings.env,
                current=current,
            )
            yield from ((message, to) for message in messages)

    def _mark(self, pending: Sequence[Alert], channels: Channels, errors: dict[Channel, str]) -> int:
        """Record the attempt on each alert. Returns how many every channel has accepted now."""
        last_error = "; ".join(f"{channel.name}: {error}" for channel, error in errors.items()) or None
        sent = 0
        with self._context.warehouse.transaction("alerts") as session:
            accepted = alert_rows.deliveries(session, (alert.key for alert in pending))
            for alert in pending:
                is_sent = all((alert.key, channel.id) in accepted for channel in channels)
                sent += is_sent
                alert_rows.record_attempt(
                    session,
                    alert.key,
                    is_sent=is_sent,
                    last_error=None if is_sent else last_error,
                    at=self._context.now(),
                )
        return sent


def _headlines(session: Session, pending: Iterable[Alert]) -> dict[tuple[str, str], Headline]:
    """A headline for each forecast and quarter in which something swung: the top call in the field that swung most."""
    headlines: dict[tuple[str, str], Headline] = {}
    swings = [alert.detail for alert in pending if alert.kind in OF_CALLS]
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


def _size(swing: Mapping[str, Any]) -> Decimal:
    return abs(Decimal(swing.get("change_amount") or 0))
