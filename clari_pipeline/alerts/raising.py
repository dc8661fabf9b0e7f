"""The one road to alerts: what a run has found is written into `alert`, then sent, then marked as sent.

The command line and Dagster's sensors use `Alerts` alike, so that people are notified of everything once, however the
pipeline is run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from clari_pipeline.alerts.sending import SENT_WITHIN, Outbox, Sent
from clari_pipeline.alerts.spool import Spool
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import AlertKind, Problem, Remark, section_of, see
from clari_pipeline.core.setting_errors import SettingsError
from clari_pipeline.notify import Alert, Severity, compose, open_channels
from clari_pipeline.store import alert_rows, marts
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.outcomes import Outcome, outcomes_of, requests_of_run
from clari_pipeline.sync.refreshing import Marts
from clari_pipeline.sync.run import SyncResult
from clari_pipeline.warehouse.errors import WarehouseError
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record

_KILLED = "run_failed killed"


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
            result = self._run_result(
                session,
                run_id,
                unreviewed=unreviewed,
                failed=[one for one in outcomes if one.is_failure and one.export["state"] != "REFUSED"],
                failures=list(failures),
                killed=killed,
                quarters=list(quarters),
            )
            for find in _FINDERS:
                _write(result, find(result))
            alert_rows.mark_reviewed(session, (outcome.export["request_id"] for outcome in unreviewed), at=now)
        spool.clear()

    def raise_killed(self, killed: Collection[str], *, run_id: str) -> None:
        """Write an alert, in the run that goes on in their place, that earlier runs were killed."""
        if killed:
            with self._context.warehouse.transaction("alerts") as session:
                result = self._run_result(session, run_id, killed=killed)
                _write(result, _killed_runs(result))

    def _run_result(self, session: Session, run_id: str, **result: Any) -> _RunResult:
        settings, rules = self._context.settings, self._context.rules.rules.swings
        return _RunResult(session, run_id, self._context.now(), settings, rules.severity, **result)

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
            subject = "alerts could not be sent"
            unsent = Problem(AlertKind.RUN_FAILED, None, f"{subject}: {error}", section_of(error), subject=subject)
            return self.notify_of_crash(failures or [unsent], run_id=run_id)

    def notify_of_stale_quarters(self) -> Sent:
        """Notify people of quarters that have gone stale, though no run is there to find it."""
        quarters = [
            str(quarter) for quarter in self._context.current_quarters() if self._context.settings.brings_forecasts
        ]
        return self._notify((), run_id="freshness", quarters=quarters)


@dataclass(frozen=True, slots=True)
class _RunResult:
    """What a run has come to, and the session in which its alerts are written."""

    session: Session
    run_id: str
    now: datetime
    settings: Settings
    swing_severity: Severity
    unreviewed: Sequence[Outcome] = ()  # exports merged or refused, of any run, that were not reviewed for alerts yet
    failed: Sequence[Outcome] = ()  # exports that did not come
    failures: Sequence[Problem] = ()  # of the run itself
    killed: Collection[str] = ()  # earlier runs that did not come to their end
    quarters: Sequence[str] = ()  # whose freshness is looked at

    def last(self, alert_class: str) -> Alert | None:
        """The newest alert of that class."""
        return alert_rows.newest_of_class(self.session, alert_class)


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewAlert:
    """An alert to be written; `is_news` if whatever alerts there were of its class before."""

    kind: AlertKind
    severity: Severity
    title: str
    body: str
    alert_class: str
    detail: Mapping[str, Any]
    is_news: bool = False


def _write(result: _RunResult, alerts: Iterable[_NewAlert]) -> None:
    """Write each alert but those whose class repeats within `CLARI_ALERT_REPEAT_HOURS` and is no worse."""
    # A daily run is not always at the same second of the day.
    repeat = timedelta(hours=result.settings.alert_repeat_hours) * 0.95
    for alert in alerts:
        last = None if alert.is_news else result.last(alert.alert_class)
        if last is not None and result.now - last.created_at < repeat and alert.severity >= last.severity:
            continue
        alert_rows.raised(
            result.session,
            alert_key=f"{alert.alert_class} {alert.detail.get('job_id') or result.run_id}",
            alert_class=alert.alert_class,
            kind=alert.kind.value,
            severity=alert.severity,
            title=alert.title,
            body=alert.body,
            created_at=result.now,
            run_id=result.run_id,
            detail=alert.detail,
        )


def _exports_not_merged(result: _RunResult) -> Iterator[_NewAlert]:
    """Of exports that did not come, or came and are not good enough; a key that Clari refuses, once for all of them."""
    for outcome in (*(one for one in result.unreviewed if one.is_failure), *result.failed):
        export = outcome.export
        where = f"{export['forecast_id']} {export['time_period_id']}"
        detail = {
            "forecast_id": export["forecast_id"],
            "quarter_id": export["time_period_id"],
            "job_id": export["job_id"],
            "state": export["state"],
        }
        alert = _NewAlert(
            kind=AlertKind.EXPORT_FAILED,
            severity="P2",
            title=f"{where}: no export came",
            body=see(outcome.reason, outcome.section),
            alert_class=f"export_failed {where}",
            detail=detail,
        )
        if export["error_kind"] == "AuthFailed":
            del detail["state"]
            yield replace(
                alert,
                kind=AlertKind.AUTH_FAILED,
                severity="P1",
                title=f"{where}: Clari does not accept the key",
                alert_class="auth_failed",
                detail=detail | {"job_id": None},
            )
        elif export["state"] == "REFUSED":
            is_empty = any(
                verdict["check_name"] == "export_is_not_empty" and not verdict["passed"] for verdict in outcome.verdicts
            )
            yield replace(
                alert,
                kind=AlertKind.EXPORT_REFUSED,
                severity="P1" if is_empty else "P2",
                title=f"{where}: the export is {'empty' if is_empty else 'not good enough'} and was kept out",
                alert_class=f"export_refused {where}",
            )
        else:
            yield alert


def _run_failures(result: _RunResult) -> Iterator[_NewAlert]:
    """Of the run itself or of one of its quarters, unless an alert says that it was killed; a refused key, as that."""
    last = result.last(_KILLED)
    if last is not None and result.run_id in last.detail.get("runs", ()):
        return
    for failure in result.failures:
        alert = _NewAlert(
            kind=AlertKind.RUN_FAILED,
            severity="P2",
            title=f"The run of {failure.quarter} failed" if failure.quarter else "A run failed",
            body=failure.line,
            alert_class=f"run_failed {failure.quarter or failure.subject or failure.section}",
            detail={"forecast_id": None, "quarter_id": failure.quarter, "job_id": None},
        )
        if failure.section == AlertKind.AUTH_FAILED:
            yield replace(
                alert,
                kind=AlertKind.AUTH_FAILED,
                severity="P1",
                title="Clari does not accept the key",
                alert_class="auth_failed",
                detail=dict.fromkeys(alert.detail),
            )
        else:
            yield alert


def _killed_runs(result: _RunResult) -> Iterator[_NewAlert]:
    """Of runs that did not come to their end, but for those whose failure has its alert: Dagster's daemon looks after
    its own.
    """
    runs = sorted(set(result.killed) - alert_rows.failed_runs(result.session, result.killed))
    if runs:
        yield _NewAlert(
            kind=AlertKind.RUN_FAILED,
            severity="P2",
            title="A run was killed",
            body=f"{len(runs)} earlier run{'s' if len(runs) > 1 else ''} ended before the end (killed, or the machine "
            "went down); this run has gone on with what was left: nothing needs to be done, unless it happens again",
            alert_class=_KILLED,
            detail={"runs": runs},
        )


def _moved_calls(result: _RunResult) -> Iterator[_NewAlert]:
    """Of the swings of merged exports that are news; where so many moved at once, one alert stands before them."""
    for outcome in result.unreviewed:
        if outcome.export["state"] == "LOADED":
            swings = alert_rows.swings(result.session, outcome.export["job_id"])
            news = [swing for swing in swings if _is_news(result, outcome.export, swing)]
            yield from _mass_changes(result, outcome.export, news)
            yield from (_swing(result, outcome.export, swing) for swing in news)


def _mass_changes(result: _RunResult, export: Record, swings: Sequence[Record]) -> Iterator[_NewAlert]:
    where = f"{export['forecast_id']} {export['time_period_id']}"
    alerted: set[tuple[str, str]] = set()
    # Against the last sync before against a week ago: one is enough.
    for mass in sorted(marts.mass_changes(result.session, export["job_id"]), key=lambda one: one["baseline"]):
        field = (mass["time_period_id"], mass["field_id"])
        of_field = [
            swing
            for swing in swings
            if all(swing[name] == mass[name] for name in ("time_period_id", "field_id", "baseline"))
            and (mass["user_ids"] is None or swing["user_id"] in mass["user_ids"])
        ]
        # On the week it stays a mass change for days, of which there was an alert on the first.
        if field in alerted or (mass["baseline"] == "week" and not of_field):
            continue
        alerted.add(field)
        since = "since the last sync" if mass["baseline"] == "sync" else "on the week"
        alike = f", {mass['moved_alike']} by the same ratio {mass['ratio']:f}" if mass["moved_alike"] else ""
        yield _NewAlert(
            kind=AlertKind.MASS_CHANGE,
            severity="P2",
            title=f"{where}: {mass['field_name']} moved as a whole",
            body=f"{mass['swung']} of {mass['compared']} calls swung {since}{alike}",
            alert_class=f"mass_change {where} {mass['time_period_id']} {mass['field_id']}",
            detail=mass
            | {
                "forecast_id": export["forecast_id"],
                "quarter_id": export["time_period_id"],
                "job_id": export["job_id"],
                "largest": of_field[:5],
            },
            is_news=True,
        )


def _swing(result: _RunResult, export: Record, swing: Record) -> _NewAlert:
    amounts = f"{swing['previous_value']:,.2f} to {swing['current_value']:,.2f} {swing['currency_code'] or ''}"
    return _NewAlert(
        kind=AlertKind.FORECAST_SWING,
        severity=result.swing_severity,
        title=f"{swing['user_name']}, {swing['field_name']} {swing['forecast_id']} {swing['quarter_id']}",
        body=amounts.strip(),
        alert_class=_class_of(export, swing, swing["user_id"]),
        detail=swing,
        is_news=True,
    )


def _class_of(export: Record, swing: Record, user_id: str) -> str:
    of_export = ("forecast_swing", export["forecast_id"], export["time_period_id"])
    return " ".join((*of_export, swing["time_period_id"], user_id, swing["field_id"]))


def _is_news(result: _RunResult, export: Record, swing: Record) -> bool:
    """Whether no alert has said it yet.

    A swing since the last sync is new by itself, one on the week only if the call has moved by more than the threshold
    since the value of the last alert, under whichever id.
    """
    if swing["baseline"] == "sync":
        return True
    for user_id in filter(None, (swing["user_id"], swing["previous_user_id"])):
        if (last := result.last(_class_of(export, swing, user_id))) is not None:
            value = Decimal(last.detail["current_value"])
            moved: bool = abs(swing["current_value"] - value) > swing["threshold"] * abs(value)
            return moved
    return True


def _stale_quarters(result: _RunResult) -> Iterator[_NewAlert]:
    """Of quarters that were loaded once, and have gone stale."""
    settings = result.settings
    if not settings.forecast_ids:
        return
    stale = alert_rows.stale(
        result.session,
        quarters=result.quarters,
        forecasts=settings.forecast_ids,
        not_before=result.now - timedelta(hours=settings.max_age_hours),
    )
    for quarter in stale:
        where = f"{quarter['forecast_id']} {quarter['quarter_id']}"
        hours = (result.now - quarter["exported_at"]).total_seconds() / 3600
        yield _NewAlert(
            kind=AlertKind.FRESHNESS,
            severity="P2",
            title=f"{where}: the figures are stale",
            body=f"the newest figures are {hours:.0f} hours old, {settings.max_age_hours:g} are allowed: "
            "clari-pipeline status shows what became of the last exports",
            alert_class=f"freshness {where}",
            detail={"forecast_id": quarter["forecast_id"], "quarter_id": quarter["quarter_id"], "job_id": None},
        )


_FINDERS: tuple[Callable[[_RunResult], Iterator[_NewAlert]], ...] = (
    _moved_calls,
    _exports_not_merged,
    _run_failures,
    _killed_runs,
    _stale_quarters,
)
"""What finds the alerts of a run. Another kind of alert has its function here, and its line in `AlertKind`."""
