"""The one road to alerts: what a run has found is written into `alert`, then sent, then marked as sent.

The command line and Dagster's sensors call `raise_alerts` and `send_alerts` alike, so that people hear of everything
once, however the pipeline is run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

from clari_pipeline.alerts.sending import SENT_WITHIN, Sent, alert_of, send_alerts
from clari_pipeline.alerts.spool import Spool
from clari_pipeline.core.runbook import AlertKind, Remark, anchor, see
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.notify import compose, open_channels
from clari_pipeline.store import alert_rows, marts
from clari_pipeline.sync.outcomes import Outcome
from clari_pipeline.sync.pipeline import Pipeline
from clari_pipeline.warehouse.errors import WarehouseError
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record

_LONGEST_WORD = 40
_KILLED = "run_failed killed"
_WORSE_FIRST = ("P1", "P2", "P3")


def raise_alerts(
    pipeline: Pipeline,
    outcomes: Sequence[Outcome] = (),
    *,
    run_id: str,
    troubles: Iterable[str] = (),
    killed: Collection[str] = (),
    quarters: Iterable[str] = (),
) -> None:
    """Write down what people must hear of: of exports that did not come to this run, of every export merged or refused
    that nobody was told of yet, whichever run it belongs to, and of `troubles` of the run itself.

    `killed` are earlier runs that were found not to have come to their end; `quarters` are those whose freshness is
    looked at. The same class of alert is not written twice within `CLARI_ALERT_REPEAT_HOURS`, unless it is worse.
    """
    spool, now = Spool(pipeline.settings.data_dir), pipeline.now()
    with pipeline.warehouse.session() as session:
        untold = pipeline.outcomes(alert_rows.untold(session, not_before=now - SENT_WITHIN))
    with pipeline.warehouse.transaction("alerts") as session:
        for spooled in spool.read():
            taken = spooled.pop("channel_ids")
            alert_rows.raised(session, **spooled, detail={})
            for channel_id in taken:
                alert_rows.delivered(session, spooled["alert_key"], channel_id, at=spooled["created_at"])
        book = _Book(session, pipeline, run_id)
        for outcome in untold:
            if outcome.export["state"] == "LOADED":
                _of_calls(book, outcome.export)
            elif outcome.is_failure:
                _of_failure(book, outcome)
        for outcome in outcomes:
            if outcome.is_failure and outcome.export["state"] != "REFUSED":
                _of_failure(book, outcome)
        alert_rows.told(session, (outcome.export["request_id"] for outcome in untold), at=now)
        if not _was_told_as_killed(book, run_id):
            for trouble in troubles:
                _of_trouble(book, trouble)
        _of_killed(book, killed)
        _of_stale_quarters(book, list(quarters))
    spool.clear()


def raise_killed(pipeline: Pipeline, killed: Collection[str], *, run_id: str) -> None:
    """Write down, in the run that goes on in their place, that earlier runs were killed; it is sent when that ends."""
    if killed:
        with pipeline.warehouse.transaction("alerts") as session:
            _of_killed(_Book(session, pipeline, run_id), killed)


def tell_of_sync(pipeline: Pipeline, outcomes: Sequence[Outcome], **found: Any) -> Sent:
    """Raise and send the alerts of a sync. What goes wrong here is said, and does not make the sync a failure.

    Where the warehouse cannot be written, people are told of the sync's own trouble without it.
    """
    try:
        with pipeline.warehouse.kept_open():
            raise_alerts(pipeline, outcomes, **found)
        return send_alerts(pipeline)
    except Exception as error:  # noqa: BLE001 - the sync itself is done
        sent = Sent(0)
        if isinstance(error, WarehouseError) and (troubles := list(found.get("troubles", ()))):
            with suppress(SettingsError):  # an address that is none
                sent = _tell_without_warehouse(pipeline, "; ".join(troubles), run_id=found["run_id"])
        at_once = ", and people were told at once that this one failed" if sent.alerts else ""
        said = f"alerts could not be sent ({error}); the next run sends them{at_once}"
        return Sent(sent.alerts, (see(said, Remark.ALERT_NOT_SENT), *sent.troubles))


def tell_of_crash(pipeline: Pipeline, reason: str, *, run_id: str) -> Sent:
    """Tell people of a run that could not be made at all; where the warehouse cannot be written, without it."""
    try:
        raise_alerts(pipeline, run_id=run_id, troubles=[reason])
        return send_alerts(pipeline)
    except Exception:  # noqa: BLE001 - whatever it is, people are to hear of it
        return _tell_without_warehouse(pipeline, reason, run_id=run_id)


def _tell_without_warehouse(pipeline: Pipeline, reason: str, *, run_id: str) -> Sent:
    """Tell people at once; what was told is written into the warehouse by the next run that can."""
    spool, now = Spool(pipeline.settings.data_dir), pipeline.now()
    repeat = timedelta(hours=pipeline.settings.alert_repeat_hours)
    if any(now - known["created_at"] < repeat for known in spool.read()):
        return Sent(0)
    row = {
        "alert_key": f"run_failed {run_id}",
        "alert_class": AlertKind.RUN_FAILED.value,
        "kind": AlertKind.RUN_FAILED.value,
        "severity": "P2",
        "title": "A run failed",
        "body": reason,
        "created_at": now,
        "run_id": run_id,
    }
    channels = open_channels(pipeline.settings.alert_urls)
    told = [alert_of(row | {"detail": {}})]
    look, env = ["clari-pipeline status"], pipeline.settings.env
    (message,) = compose(told, {}, where_to_look=look, environment=env)
    deliveries = dict(zip(channels, channels.deliver(message), strict=True))
    with suppress(OSError):  # its disk may be the one that is full
        spool.add(row, [channel.id for channel, delivery in deliveries.items() if delivery.error is None])
    troubles = [
        see(f"alert channel {d.channel}: {d.error}", Remark.ALERT_NOT_SENT) for d in deliveries.values() if d.error
    ]
    return Sent(int(bool(deliveries) and not troubles), tuple(troubles))


def tell_of_run(pipeline: Pipeline, run_id: str, *, quarter_id: str | None, troubles: Sequence[str]) -> Sent:
    """Raise and send the alerts of one run that has ended; `troubles` where it failed.

    A failure that an export explains is told as that export's.
    """
    try:
        # What the calls stand against: the marts' own run may be still to come.
        pipeline.refresh_mart("forecast_vs_quota")
        outcomes = pipeline.outcomes(pipeline.requests_of_run(run_id, quarter_id))
        is_explained = any(outcome.is_failure for outcome in outcomes)
        raise_alerts(
            pipeline,
            outcomes,
            run_id=run_id,
            troubles=[] if is_explained else troubles,
            quarters=[quarter_id] if quarter_id else [],
        )
        return send_alerts(pipeline)
    except Exception as error:  # noqa: BLE001 - a sensor that raises does not look at the run again
        return tell_of_crash(pipeline, "; ".join(troubles) or f"alerts could not be sent: {error}", run_id=run_id)


def tell_of_stale_quarters(pipeline: Pipeline) -> Sent:
    """Tell people of quarters that have gone stale, though no run is there to find it."""
    quarters = [str(quarter) for quarter in pipeline.current_quarters() if pipeline.settings.brings_forecasts]
    return tell_of_sync(pipeline, (), run_id="freshness", quarters=quarters)


class _Book:
    """Where alerts of one run are written, unless people have heard of the same."""

    def __init__(self, session: Session, pipeline: Pipeline, run_id: str) -> None:
        self.session = session
        self.pipeline = pipeline
        self.rules = pipeline.rules.rules.swings
        self._run_id = run_id
        self._now = pipeline.now()
        # A daily run is not always at the same second of the day.
        self._repeat = timedelta(hours=pipeline.settings.alert_repeat_hours) * 0.95

    def last(self, alert_class: str) -> Record | None:
        """What people were told last of that class."""
        return alert_rows.newest_of_class(self.session, alert_class)

    def write(
        self,
        kind: AlertKind,
        severity: str,
        body: str,
        title: str,
        alert_class: str,
        detail: dict[str, Any],
        *,
        is_news: bool = False,
    ) -> None:
        """Write one alert; `is_news` if it is told whatever people were told before."""
        last = self.last(alert_class)
        if last is not None and not is_news:
            is_worse = _WORSE_FIRST.index(severity) < _WORSE_FIRST.index(last["severity"])
            if not is_worse and self._now - last["created_at"] < self._repeat:
                return
        alert_rows.raised(
            self.session,
            alert_key=f"{alert_class} {detail.get('job_id') or self._run_id}",
            alert_class=alert_class,
            kind=kind.value,
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
    body = see(outcome.reason, outcome.section)
    if export["error_kind"] == "AuthFailed":
        # One cause for all exports of the run: it is told once.
        detail = {"forecast_id": export["forecast_id"], "quarter_id": export["time_period_id"], "job_id": None}
        book.write(AlertKind.AUTH_FAILED, "P1", body, f"{where}: Clari does not accept the key", "auth_failed", detail)
    elif export["state"] == "REFUSED":
        is_empty = any(
            verdict["check_name"] == "export_is_not_empty" and not verdict["passed"] for verdict in outcome.verdicts
        )
        title = f"{where}: the export is {'empty' if is_empty else 'not good enough'} and was kept out"
        book.write(AlertKind.EXPORT_REFUSED, "P1" if is_empty else "P2", body, title, f"export_refused {where}", detail)
    else:
        book.write(AlertKind.EXPORT_FAILED, "P2", body, f"{where}: no export came", f"export_failed {where}", detail)


def _of_trouble(book: _Book, trouble: str) -> None:
    """A failure of the run itself; where it begins with a quarter, that quarter's; a key that is refused, as that."""
    if trouble.endswith(f"({anchor(AlertKind.AUTH_FAILED)})"):
        nothing = {"forecast_id": None, "quarter_id": None, "job_id": None}
        book.write(AlertKind.AUTH_FAILED, "P1", trouble, "Clari does not accept the key", "auth_failed", nothing)
        return
    where = trouble.partition(":")[0]
    is_quarter = where in {str(quarter) for quarter in book.pipeline.current_quarters()}
    detail = {"forecast_id": None, "quarter_id": where if is_quarter else None, "job_id": None}
    title = f"The run of {where} failed" if is_quarter else "A run failed"
    alert_class = f"run_failed {where if len(where) < _LONGEST_WORD else ''}"
    book.write(AlertKind.RUN_FAILED, "P2", trouble, title, alert_class, detail)


def _of_killed(book: _Book, killed: Collection[str]) -> None:
    """Runs that did not come to their end, except those whose failure people were told of: Dagster's daemon looks
    after its own.
    """
    news = sorted(set(killed) - alert_rows.failed_runs(book.session, killed))
    if not news:
        return
    body = (
        f"{len(news)} earlier run{'s' if len(news) > 1 else ''} ended before the end (killed, or the machine went "
        "down); this run has gone on with what was left: nothing needs to be done, unless it happens again"
    )
    book.write(AlertKind.RUN_FAILED, "P2", body, "A run was killed", _KILLED, {"runs": news})


def _was_told_as_killed(book: _Book, run_id: str) -> bool:
    last = book.last(_KILLED)
    return last is not None and run_id in last["detail"].get("runs", ())


def _of_calls(book: _Book, export: Record) -> None:
    """The swings of an export that are news; where so many moved at once, one alert stands before them."""
    where = f"{export['forecast_id']} {export['time_period_id']}"
    swings = [swing for swing in alert_rows.swings(book.session, export["job_id"]) if _is_news(book, where, swing)]
    told: set[tuple[str, str]] = set()
    # Against the last sync before against a week ago: one is enough.
    for mass in sorted(marts.mass_changes(book.session, export["job_id"]), key=lambda one: one["baseline"]):
        field = (mass["time_period_id"], mass["field_id"])
        of_field = [
            swing
            for swing in swings
            if all(swing[name] == mass[name] for name in ("time_period_id", "field_id", "baseline"))
            and (mass["user_ids"] is None or swing["user_id"] in mass["user_ids"])
        ]
        # On the week it stays a mass change for days; people were told.
        if field in told or (mass["baseline"] == "week" and not of_field):
            continue
        told.add(field)
        detail = mass | {
            "forecast_id": export["forecast_id"],
            "quarter_id": export["time_period_id"],
            "job_id": export["job_id"],
            "largest": of_field[:5],
        }
        since = "since the last sync" if mass["baseline"] == "sync" else "on the week"
        alike = f", {mass['moved_alike']} by the same ratio {mass['ratio']:f}" if mass["moved_alike"] else ""
        body = f"{mass['swung']} of {mass['compared']} calls swung {since}{alike}"
        alert_class = f"mass_change {where} {mass['time_period_id']} {mass['field_id']}"
        title = f"{where}: {mass['field_name']} moved as a whole"
        book.write(AlertKind.MASS_CHANGE, "P2", body, title, alert_class, detail, is_news=True)
    for swing in swings:
        title = f"{swing['user_name']}, {swing['field_name']} {swing['forecast_id']} {swing['quarter_id']}"
        body = f"{swing['previous_value']:,.2f} to {swing['current_value']:,.2f} {swing['currency_code'] or ''}".strip()
        alert_class = _class_of(where, swing, swing["user_id"])
        book.write(AlertKind.FORECAST_SWING, book.rules.severity, body, title, alert_class, swing, is_news=True)


def _class_of(where: str, swing: Record, user_id: str) -> str:
    return " ".join(("forecast_swing", where, swing["time_period_id"], user_id, swing["field_id"]))


def _is_news(book: _Book, where: str, swing: Record) -> bool:
    """Whether people have not been told of it.

    A swing since the last sync is new by itself, one on the week only if the call has moved by more than the threshold
    since the value that they were told, under whichever id.
    """
    if swing["baseline"] == "sync":
        return True
    for user_id in filter(None, (swing["user_id"], swing["previous_user_id"])):
        if (last := book.last(_class_of(where, swing, user_id))) is not None:
            value = Decimal(last["detail"]["current_value"])
            moved: bool = abs(swing["current_value"] - value) > swing["threshold"] * abs(value)
            return moved
    return True


def _of_stale_quarters(book: _Book, quarters: list[str]) -> None:
    """Quarters that were loaded once, and have gone stale."""
    settings, now = book.pipeline.settings, book.pipeline.now()
    if not settings.forecast_ids:
        return
    stale = alert_rows.stale(
        book.session,
        quarters=quarters,
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
        book.write(AlertKind.FRESHNESS, "P2", body, f"{where}: the figures are stale", f"freshness {where}", detail)
