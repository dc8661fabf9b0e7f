"""The one road to alerts: what a run has found is written into `alert`, then sent, then marked as sent.

The command line and Dagster's sensors call `raise_alerts` and `send_alerts` alike, so that people hear of everything
once, however the pipeline is run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from clari_pipeline.alert_spool import Spool
from clari_pipeline.alerting import Alert, Channel, ChannelError, Channels, Headline, Message, compose, split_addresses
from clari_pipeline.settings import Settings, SettingsError
from clari_pipeline.sync import Outcome, Pipeline
from clari_pipeline.warehouse import alert_rows, marts
from clari_pipeline.warehouse.connection import WarehouseError
from clari_pipeline.warehouse.statements import Connection, Record

_SENT_WITHIN = timedelta(days=7)
_WORSE_FIRST = ("P1", "P2", "P3")


@dataclass(frozen=True, slots=True)
class Sent:
    """What sending came to: how many alerts every channel has taken now, and what went wrong, a line a channel."""

    alerts: int
    troubles: tuple[str, ...] = ()


def open_channels(settings: Settings) -> Channels:
    """The channels of `CLARI_ALERT_URLS`. Raises `SettingsError`, which shows no address."""
    urls = settings.alert_urls.get_secret_value() if settings.alert_urls else ""
    try:
        return Channels(split_addresses(urls))
    except ChannelError as error:
        raise SettingsError(str(error)) from None


def raise_alerts(
    pipeline: Pipeline, outcomes: Sequence[Outcome], *, run_id: str, troubles: Iterable[str] = (), killed: int = 0
) -> None:
    """Write down what people must hear of a run: what became of its exports, and what went wrong beside them.

    `troubles` are failures of the run itself, `killed` is how many earlier runs it found that had not come to their
    end. The same class of alert is not written twice within `CLARI_ALERT_REPEAT_HOURS`, unless it has become worse;
    a swing not at all, unless the call has moved on by more than the threshold since.
    """
    spool = Spool(pipeline.settings.data_dir)
    with pipeline.warehouse.transaction() as connection:
        for spooled in spool.read():
            taken = spooled.pop("channel_ids")
            alert_rows.raised(connection, **spooled, detail={})
            for channel_id in taken:
                alert_rows.delivered(connection, spooled["alert_key"], channel_id, at=spooled["created_at"])
        book = _Book(connection, pipeline, run_id)
        for outcome in outcomes:
            if outcome.export["state"] == "LOADED":
                _of_calls(book, outcome.export)
            elif outcome.is_failure:
                _of_failure(book, outcome)
        for trouble in troubles:
            book.write("run_failed", "P2", trouble, "A run failed", "run_failed", {"job_id": None})
        if killed:
            body = (
                f"{killed} earlier run{'s' if killed > 1 else ''} ended before the end (killed, or the machine went "
                "down); this run has gone on with what was left: nothing needs to be done, unless it happens again"
            )
            book.write("run_failed", "P2", body, "A run was killed", "run_failed killed", {})
        _of_stale_quarters(book)
    spool.clear()


def tell_of_crash(pipeline: Pipeline, reason: str, *, run_id: str) -> Sent:
    """Tell people of a run that could not be made at all; where the warehouse cannot be written, without it."""
    try:
        raise_alerts(pipeline, [], run_id=run_id, troubles=[reason])
        return send_alerts(pipeline)
    except WarehouseError:
        pass
    spool, now = Spool(pipeline.settings.data_dir), pipeline.now()
    repeat = timedelta(hours=pipeline.settings.alert_repeat_hours)
    if any(now - known["created_at"] < repeat for known in spool.read()):
        return Sent(0)
    row = {
        "alert_key": f"run_failed {run_id}",
        "alert_class": "run_failed",
        "kind": "run_failed",
        "severity": "P2",
        "title": "A run failed",
        "body": reason,
        "created_at": now,
        "run_id": run_id,
    }
    channels = open_channels(pipeline.settings)
    (message,) = compose([_alert(row | {"detail": {}})], {}, where_to_look=["clari-pipeline status"])
    deliveries = dict(zip(channels, channels.deliver(message), strict=True))
    spool.add(row, [channel.id for channel, delivery in deliveries.items() if delivery.error is None])
    troubles = [f"alert channel {d.channel}: {d.error}" for d in deliveries.values() if d.error is not None]
    return Sent(int(bool(deliveries) and not troubles), tuple(troubles))


def tell_of_run(pipeline: Pipeline, run_id: str, *, trouble: str | None) -> Sent:
    """Raise and send the alerts of one run that has ended; `trouble` where it failed.

    A failure that an export explains is told as that export's.
    """
    pipeline.refresh_forecast_vs_quota()  # what the calls stand against; the marts' own run may be still to come
    outcomes = pipeline.outcomes(pipeline.requests_of_run(run_id))
    is_explained = any(outcome.is_failure for outcome in outcomes)
    raise_alerts(pipeline, outcomes, run_id=run_id, troubles=[trouble] if trouble and not is_explained else [])
    return send_alerts(pipeline)


class _Book:
    """Where alerts of one run are written, unless people have heard of the same."""

    def __init__(self, connection: Connection, pipeline: Pipeline, run_id: str) -> None:
        self.connection = connection
        self.pipeline = pipeline
        self.rules = pipeline.rules.rules.swings
        self._run_id = run_id
        self._now = pipeline.now()
        self._repeat = timedelta(hours=pipeline.settings.alert_repeat_hours)

    def write(
        self,
        kind: str,
        severity: str,
        body: str,
        title: str,
        alert_class: str,
        detail: dict[str, Any],
        is_news: Callable[[Record], bool] | None = None,
    ) -> None:
        """Write one alert. `is_news` says whether it is told though that other one of its class was."""
        last = alert_rows.newest_of_class(self.connection, alert_class)
        if last is not None:
            is_worse = _WORSE_FIRST.index(severity) < _WORSE_FIRST.index(last["severity"])
            is_due = is_news(last) if is_news else self._now - last["created_at"] >= self._repeat
            if not (is_worse or is_due):
                return
        alert_rows.raised(
            self.connection,
            alert_key=f"{alert_class} {detail.get('job_id') or self._run_id}",
            alert_class=alert_class,
            kind=kind,
            severity=severity,
            title=title,
            body=body,
            created_at=self._now,
            run_id=self._run_id,
            detail=detail,
        )


def _of_failure(book: _Book, outcome: Outcome) -> None:
    """An export that did not come, or came and is not good enough."""
    export = outcome.export
    detail = {
        "forecast_id": export["forecast_id"],
        "quarter_id": export["time_period_id"],
        "job_id": export["job_id"],
        "state": export["state"],
    }
    where = f"{export['forecast_id']} {export['time_period_id']}"
    body = export["error"] or f"stopped as {export['state']}: run again, it is continued from there"
    if export["error_kind"] == "AuthFailed":
        # One cause for all exports of the run: it is told once.
        detail = {"forecast_id": export["forecast_id"], "quarter_id": export["time_period_id"], "job_id": None}
        book.write("auth_failed", "P1", body, f"{where}: Clari does not accept the key", "auth_failed", detail)
    elif export["state"] == "REFUSED":
        is_empty = any(
            verdict["check_name"] == "export_is_not_empty" and not verdict["passed"] for verdict in outcome.verdicts
        )
        title = f"{where}: the export is {'empty' if is_empty else 'not good enough'} and was kept out"
        book.write("export_refused", "P1" if is_empty else "P2", body, title, f"export_refused {where}", detail)
    else:
        book.write("export_failed", "P2", body, f"{where}: no export came", f"export_failed {where}", detail)


def _of_calls(book: _Book, export: Record) -> None:
    """The swings of an export; where so many moved at once, one alert stands before them."""
    swings = alert_rows.swings(book.connection, export["job_id"])
    where = f"{export['forecast_id']} {export['time_period_id']}"
    for mass in marts.mass_changes(book.connection, export["job_id"]):
        of_field = [
            swing
            for swing in swings
            if all(swing[name] == mass[name] for name in ("time_period_id", "field_id", "baseline"))
        ]
        field_name = mass["field_name"]
        detail = mass | {
            "forecast_id": export["forecast_id"],
            "quarter_id": export["time_period_id"],
            "job_id": export["job_id"],
            "largest": of_field[:5],
        }
        since = "since the last sync" if mass["baseline"] == "sync" else "on the week"
        alike = f", {mass['moved_alike']} by the same ratio {mass['ratio']:f}" if mass["moved_alike"] else ""
        body = f"{mass['swung']} of {mass['compared']} calls swung {since}{alike}"
        alert_class = f"mass_change {where} {mass['time_period_id']} {mass['field_id']} {mass['baseline']}"
        book.write("mass_change", "P2", body, f"{where}: {field_name} moved as a whole", alert_class, detail)
    for swing in swings:
        title = f"{swing['user_name']}, {swing['field_name']} {swing['forecast_id']} {swing['quarter_id']}"
        body = f"{swing['previous_value']:,.2f} to {swing['current_value']:,.2f} {swing['currency_code'] or ''}".strip()
        alert_class = " ".join(("forecast_swing", where, swing["time_period_id"], swing["user_id"], swing["field_id"]))
        book.write(
            "forecast_swing",
            book.rules.severity,
            body,
            title,
            alert_class,
            swing,
            is_news=lambda last, swing=swing: _has_moved_on(last["detail"], swing),  # type: ignore[misc]
        )


def _has_moved_on(told: dict[str, Any], swing: Record) -> bool:
    """Whether a call has moved by more than the threshold since the value that people were told."""
    if told.get("job_id") == swing["job_id"] or told.get("current_value") is None:
        return False
    value = Decimal(told["current_value"])
    moved: bool = abs(swing["current_value"] - value) > swing["threshold"] * abs(value)
    return moved


def _of_stale_quarters(book: _Book) -> None:
    """Quarters that are synced, were loaded once, and have gone stale."""
    settings, now = book.pipeline.settings, book.pipeline.now()
    stale = alert_rows.stale(
        book.connection,
        quarters=[str(quarter) for quarter in book.pipeline.current_quarters()],
        forecasts=settings.forecast_ids,
        not_before=now - timedelta(hours=settings.max_age_hours),
    )
    for quarter in stale:
        where = f"{quarter['forecast_id']} {quarter['quarter_id']}"
        hours = (now - quarter["exported_at"]).total_seconds() / 3600
        body = (
            f"the newest figures are {hours:.0f} hours old, {settings.max_age_hours:g} are allowed: "
            "clari-pipeline status shows what became of the last exports"
        )
        detail = {"forecast_id": quarter["forecast_id"], "quarter_id": quarter["quarter_id"], "job_id": None}
        book.write("freshness", "P2", body, f"{where}: the figures are stale", f"freshness {where}", detail)


def send_alerts(pipeline: Pipeline) -> Sent:
    """Send what is not sent yet to every channel that has not taken it, and mark it. Raises `SettingsError`.

    A channel that is down keeps nothing from the others: it is sent its part by the next run.
    """
    channels = open_channels(pipeline.settings)
    with pipeline.warehouse.session() as connection:
        waiting = alert_rows.unsent(connection, not_before=pipeline.now() - _SENT_WITHIN)
        taken = alert_rows.deliveries(connection, (alert["alert_key"] for alert in waiting))
        headlines = _headlines(connection, waiting)
    if not waiting or not channels:
        return Sent(0)
    errors: dict[Channel, str] = {}
    for message, to in _messages(pipeline, waiting, taken, headlines, channels):
        for channel, delivery in zip(to, channels.deliver_each(dict.fromkeys(to, message)), strict=True):
            if delivery.error is not None:
                errors[channel] = delivery.error
                continue
            with pipeline.warehouse.transaction() as connection:
                for key in message.alert_keys:
                    alert_rows.delivered(connection, key, channel.id, at=pipeline.now())
    return Sent(
        _mark(pipeline, waiting, channels, errors),
        tuple(f"alert channel {channel.name}: {error}; the next run sends again" for channel, error in errors.items()),
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
        alerts = [_alert(by_key[key]) for key in missing]
        look = [f"clari.forecast_swing in {pipeline.settings.warehouse_path}", "clari-pipeline status"]
        for message in compose(alerts, headlines, where_to_look=look) if alerts else ():
            yield message, to


def _mark(pipeline: Pipeline, waiting: Sequence[Record], channels: Channels, errors: dict[Channel, str]) -> int:
    """Mark what was tried; how many alerts every channel has taken now."""
    last_error = "; ".join(f"{channel.name}: {error}" for channel, error in errors.items()) or None
    sent = 0
    with pipeline.warehouse.transaction() as connection:
        taken = alert_rows.deliveries(connection, (alert["alert_key"] for alert in waiting))
        for alert in waiting:
            is_sent = all((alert["alert_key"], channel.id) in taken for channel in channels)
            sent += is_sent
            alert_rows.tried(
                connection,
                alert["alert_key"],
                is_sent=is_sent,
                last_error=None if is_sent else last_error,
                at=pipeline.now(),
            )
    return sent


def _headlines(connection: Connection, waiting: Iterable[Record]) -> dict[tuple[str, str], Headline]:
    """The top call of each forecast and quarter in which something swung, for the field that swung most."""
    headlines: dict[tuple[str, str], Headline] = {}
    swings = [alert["detail"] for alert in waiting if alert["kind"] in {"forecast_swing", "mass_change"}]
    for swing in sorted(swings, key=_size, reverse=True):
        where = (swing["forecast_id"], swing["quarter_id"])
        if where in headlines or not swing.get("job_id"):
            continue
        top = alert_rows.headline(
            connection, swing["job_id"], time_period_id=swing["time_period_id"], field_id=swing["field_id"]
        )
        people = alert_rows.moved_people(connection, swing["job_id"])
        headlines[where] = Headline(
            *where,
            **top | {"field_name": top["field_name"] or swing["field_name"]},
            newcomers=people["new"],
            leavers=people["disappeared"],
        )
    return headlines


def _size(swing: dict[str, Any]) -> Decimal:
    return abs(Decimal(swing.get("change_amount") or 0))


def _alert(found: Record) -> Alert:
    return Alert(
        key=found["alert_key"],
        **{name: found[name] for name in ("alert_class", "kind", "severity", "title", "created_at", "detail")},
        body=found["body"] or "",
        run_id=found["run_id"] or "",
    )


def greeting() -> Message:
    """What `clari-pipeline alerts test` sends."""
    subject = "A test: alerts of the Clari pipeline reach this channel"
    text = "Nothing is wrong. clari-pipeline alerts test has sent this."
    return Message(
        subject=subject,
        severity="P3",
        kind="test",
        alert_keys=(),
        text=text,
        markdown=text,
        html=f"<p>{text}</p>",
        raw={"subject": subject, "message": text, "severity": "P3", "kind": "test", "headlines": [], "alerts": []},
    )
