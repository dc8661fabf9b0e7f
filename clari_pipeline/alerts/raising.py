"""The one road to alerts: what a run has found is written into `alert`, then sent, then marked as sent.

The command line and Dagster's sensors use `Alerts` alike, so that people are notified of everything once, however the
pipeline is run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

from clari_pipeline.alerts.sending import SENT_WITHIN, Outbox, Sent
from clari_pipeline.alerts.spool import Spool
from clari_pipeline.core.runbook import AlertKind, Problem, Remark, section_of, see
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.notify import Alert, compose, open_channels
from clari_pipeline.store import alert_rows, marts
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.outcomes import Outcome, outcomes_of, requests_of_run
from clari_pipeline.sync.refreshing import Marts
from clari_pipeline.sync.run import SyncResult
from clari_pipeline.warehouse.errors import WarehouseError
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record

_KILLED = "run_failed killed"
_WORSE_FIRST = ("P1", "P2", "P3")


class Alerts:
    """Raises and sends alerts: what a run has found is written into `alert`, then sent, then marked as sent."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._outbox = Outbox(context)

    def raise_alerts(
        self,
        outcomes: Sequence[Outcome] = (),
        *,
        run_id: str,
        failures: Iterable[Problem] = (),
        killed: Collection[str] = (),
        quarters: Iterable[str] = (),
    ) -> None:
        """Write alerts of exports that did not come to this run, of every export merged or refused that was not
        reviewed for alerts yet, whichever run it belongs to, and of `failures` of the run itself.

        `killed` are earlier runs that were found not to have come to their end; `quarters` are those whose freshness is
        looked at. The same class of alert is not written twice within `CLARI_ALERT_REPEAT_HOURS`, unless it is worse.
        """
        spool, now, warehouse = Spool(self._context.settings.data_dir), self._context.now(), self._context.warehouse
        with warehouse.session() as session:
            unreviewed = outcomes_of(warehouse, alert_rows.pending_exports(session, not_before=now - SENT_WITHIN))
        with warehouse.transaction("alerts") as session:
            for spooled in spool.read():
                taken = spooled.pop("channel_ids")
                alert_rows.raised(session, **spooled, detail={})
                for channel_id in taken:
                    alert_rows.delivered(session, spooled["alert_key"], channel_id, at=spooled["created_at"])
            book = _Book(session, self._context, run_id)
            for outcome in unreviewed:
                if outcome.export["state"] == "LOADED":
                    _of_calls(book, outcome.export)
                elif outcome.is_failure:
                    _of_failure(book, outcome)
            for outcome in outcomes:
                if outcome.is_failure and outcome.export["state"] != "REFUSED":
                    _of_failure(book, outcome)
            alert_rows.mark_reviewed(session, (outcome.export["request_id"] for outcome in unreviewed), at=now)
            if not _was_told_as_killed(book, run_id):
                for failure in failures:
                    _of_run_failure(book, failure)
            _of_killed(book, killed)
            _of_stale_quarters(book, list(quarters))
        spool.clear()

    def raise_killed(self, killed: Collection[str], *, run_id: str) -> None:
        """Write an alert, in the run that goes on in their place, that earlier runs were killed."""
        if killed:
            with self._context.warehouse.transaction("alerts") as session:
                _of_killed(_Book(session, self._context, run_id), killed)

    def notify_of_sync(self, result: SyncResult) -> Sent:
        """Raise and send the alerts of a sync. What goes wrong here is returned, and does not make the sync a failure.

        Where the warehouse cannot be written, people are notified of the sync's own failure without it.
        """
        return self._notify(
            result.outcomes,
            run_id=result.run_id,
            failures=result.failures,
            killed=result.killed,
            quarters=[str(quarter) for quarter in result.quarters],
        )

    def _notify(
        self,
        outcomes: Sequence[Outcome],
        *,
        run_id: str,
        quarters: Sequence[str],
        failures: Sequence[Problem] = (),
        killed: Collection[str] = (),
    ) -> Sent:
        try:
            with self._context.warehouse.kept_open():
                self.raise_alerts(outcomes, run_id=run_id, failures=failures, killed=killed, quarters=quarters)
            return self._outbox.send()
        except Exception as error:  # noqa: BLE001 - the sync itself is done
            sent = Sent(0)
            if isinstance(error, WarehouseError) and failures:
                with suppress(SettingsError):  # an address that is none
                    sent = self._notify_without_warehouse(failures, run_id=run_id)
            at_once = ", and people were told at once that this one failed" if sent.alerts else ""
            said = f"alerts could not be sent ({error}); the next run sends them{at_once}"
            return Sent(sent.alerts, (Problem(None, None, said, Remark.ALERT_NOT_SENT), *sent.problems))

    def notify_of_crash(self, failures: Sequence[Problem], *, run_id: str) -> Sent:
        """Notify people of a run that could not be made at all; where the warehouse cannot be written, without it."""
        try:
            self.raise_alerts(run_id=run_id, failures=failures)
            return self._outbox.send()
        except Exception:  # noqa: BLE001 - whatever it is, people are to hear of it
            return self._notify_without_warehouse(failures, run_id=run_id)

    def _notify_without_warehouse(self, failures: Sequence[Problem], *, run_id: str) -> Sent:
        """Notify people at once; the next run that can writes the alert into the warehouse."""
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
        look, env = ["clari-pipeline status"], self._context.settings.env
        (message,) = compose(alerts, {}, where_to_look=look, environment=env)
        deliveries = dict(zip(channels, channels.deliver(message), strict=True))
        with suppress(OSError):  # its disk may be the one that is full
            spool.add(row, [channel.id for channel, delivery in deliveries.items() if delivery.error is None])
        problems = [
            Problem(None, None, f"alert channel {d.channel}: {d.error}", Remark.ALERT_NOT_SENT)
            for d in deliveries.values()
            if d.error
        ]
        return Sent(int(bool(deliveries) and not problems), tuple(problems))

    def notify_of_run(self, run_id: str, *, quarter_id: str | None, failures: Sequence[Problem]) -> Sent:
        """Raise and send the alerts of one of the daemon's runs that has ended; `failures` where it failed.

        A failure that an export explains is notified of as that export's.
        """
        try:
            # What the calls stand against; the marts' own run may be still to come.
            Marts(self._context).refresh("forecast_vs_quota")
            outcomes = outcomes_of(
                self._context.warehouse, requests_of_run(self._context.warehouse, run_id, quarter_id)
            )
            is_explained = any(outcome.is_failure for outcome in outcomes)
            self.raise_alerts(
                outcomes,
                run_id=run_id,
                failures=[] if is_explained else failures,
                quarters=[quarter_id] if quarter_id else [],
            )
            return self._outbox.send()
        except Exception as error:  # noqa: BLE001 - a sensor that raises does not look at the run again
            unsent = Problem(AlertKind.RUN_FAILED, quarter_id, f"alerts could not be sent: {error}", section_of(error))
            return self.notify_of_crash(failures or [unsent], run_id=run_id)

    def notify_of_stale_quarters(self) -> Sent:
        """Notify people of quarters that have gone stale, though no run is there to find it."""
        quarters = [
            str(quarter) for quarter in self._context.current_quarters() if self._context.settings.brings_forecasts
        ]
        return self._notify((), run_id="freshness", quarters=quarters)


class _Book:
    """Where alerts of one run are written, unless people have heard of the same."""

    def __init__(self, session: Session, context: Context, run_id: str) -> None:
        self.session = session
        self.context = context
        self.rules = context.rules.rules.swings
        self._run_id = run_id
        self._now = context.now()
        # A daily run is not always at the same second of the day.
        self._repeat = timedelta(hours=context.settings.alert_repeat_hours) * 0.95

    def last(self, alert_class: str) -> Alert | None:
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
            is_worse = _WORSE_FIRST.index(severity) < _WORSE_FIRST.index(last.severity)
            if not is_worse and self._now - last.created_at < self._repeat:
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


def _of_run_failure(book: _Book, failure: Problem) -> None:
    """A failure of the run itself, or of one of its quarters; a key that is refused, as that."""
    detail = {"forecast_id": None, "quarter_id": failure.quarter, "job_id": None}
    if failure.section == AlertKind.AUTH_FAILED:
        nothing = detail | {"quarter_id": None}
        book.write(AlertKind.AUTH_FAILED, "P1", failure.line, "Clari does not accept the key", "auth_failed", nothing)
        return
    title = f"The run of {failure.quarter} failed" if failure.quarter else "A run failed"
    alert_class = f"run_failed {failure.quarter or failure.subject or failure.section}"
    book.write(AlertKind.RUN_FAILED, "P2", failure.line, title, alert_class, detail)


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
    return last is not None and run_id in last.detail.get("runs", ())


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
            value = Decimal(last.detail["current_value"])
            moved: bool = abs(swing["current_value"] - value) > swing["threshold"] * abs(value)
            return moved
    return True


def _of_stale_quarters(book: _Book, quarters: list[str]) -> None:
    """Quarters that were loaded once, and have gone stale."""
    settings, now = book.context.settings, book.context.now()
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
