"""Find the alerts of a run: one function for each reason, and `FINDERS`, the table of them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from clari_pipeline.config.schedule import allowed_hours, stale_before
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import AlertKind, Problem, with_anchor
from clari_pipeline.notify import Alert, Severity
from clari_pipeline.store import alert_rows, marts, quality_results
from clari_pipeline.store.alert_rows import ReportedSwing
from clari_pipeline.store.ledger_rows import ExportRow
from clari_pipeline.store.quality_results import QualityResult
from clari_pipeline.sync.outcomes import Outcome
from clari_pipeline.warehouse.session import Session

_KILLED = "run_failed killed"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What is known of a run once it has ended, and the session in which its alerts are written."""

    session: Session
    run_id: str
    now: datetime
    settings: Settings
    swing_severity: Severity
    unreviewed: Sequence[Outcome] = ()  # exports merged or refused, of any run, that were not reviewed for alerts yet
    failed: Sequence[Outcome] = ()  # exports that delivered no document
    failures: Sequence[Problem] = ()  # of the run itself
    killed: Collection[str] = ()  # ids of orphaned runs: their process died
    quarters: Sequence[str] = ()  # whose freshness is checked

    def last(self, alert_class: str) -> Alert | None:
        """The newest alert of that class."""
        return alert_rows.newest_of_class(self.session, alert_class)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert:
    """An alert to be written. `is_news`: it is written whatever alerts of its class there were before."""

    kind: AlertKind
    severity: Severity
    title: str
    body: str
    alert_class: str
    detail: Mapping[str, Any]
    is_news: bool = False


def write_alerts(result: RunResult, alerts: Iterable[NewAlert]) -> None:
    """Write each alert but those whose class repeats within `CLARI_ALERT_REPEAT_HOURS` and is no worse."""
    # 5 % less, for a daily run does not start at the same second each day. Of severities P1 is the worst.
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


def _exports_not_merged(result: RunResult) -> Iterator[NewAlert]:
    """Alert of exports that delivered no document or were refused by the gate; of a rejected key, once."""
    for outcome in (*(one for one in result.unreviewed if one.is_failure), *result.failed):
        export = outcome.export
        where = export.label
        detail = _export_ids(export) | {"state": export.state}
        alert = NewAlert(
            kind=AlertKind.EXPORT_FAILED,
            severity="P2",
            title=f"{where}: the export failed",
            body=with_anchor(outcome.reason, outcome.section),
            alert_class=f"export_failed {where}",
            detail=detail,
        )
        if export.error_kind == "AuthFailed":
            yield replace(
                alert,
                kind=AlertKind.AUTH_FAILED,
                severity="P1",
                title=f"{where}: Clari does not accept the key",
                alert_class="auth_failed",
                detail=_export_ids(export) | {"job_id": None},
            )
        elif export.state == "REFUSED":
            is_empty = any(one.check_name == "export_is_not_empty" and not one.passed for one in outcome.verdicts)
            yield replace(
                alert,
                kind=AlertKind.EXPORT_REFUSED,
                severity="P1" if is_empty else "P2",
                title=f"{where}: the export {'is empty' if is_empty else 'failed its checks'} and was not loaded",
                alert_class=f"export_refused {where}",
            )
        else:
            yield alert


def _contract_changes(result: RunResult) -> Iterator[NewAlert]:
    """Alert of documents with other keys than before, once for each change, though every quarter shows it."""
    for outcome in result.unreviewed:
        for verdict in outcome.verdicts:
            if verdict.check_name != "contract_is_stable" or verdict.passed:
                continue
            forecast_id, contract = outcome.export.forecast_id, verdict.evidence.get("contract")
            alert_class = f"contract_changed {forecast_id}"
            last = result.last(alert_class)
            if last is not None and last.detail.get("contract") == contract:
                continue
            yield NewAlert(
                kind=AlertKind.CONTRACT_CHANGED,
                severity="P3",
                title=f"{forecast_id}: the keys of Clari's export have changed",
                body=verdict.finding,
                alert_class=alert_class,
                detail=_export_ids(outcome.export) | {"contract": contract, "changes": verdict.finding},
                is_news=last is None or last.detail.get("changes") != verdict.finding,
            )


def _tables_repaired(result: RunResult) -> Iterator[NewAlert]:
    """Alert of tables that were not as the last merge had left them, which a merge has found and repaired."""
    for outcome in result.unreviewed:
        for verdict in outcome.verdicts:
            if verdict.is_repaired:
                where = outcome.export.label
                yield NewAlert(
                    kind=AlertKind.QUALITY,
                    severity="P2",
                    title=f"{where}: the tables were damaged and are repaired",
                    body=with_anchor(verdict.finding, verdict.check_name),
                    alert_class=f"quality {verdict.check_name} {where}",
                    detail=_export_ids(outcome.export) | {"check_name": verdict.check_name},
                    is_news=True,
                )


def _run_failures(result: RunResult) -> Iterator[NewAlert]:
    """Alert of failures of the run or of a quarter, unless an alert names the run as killed."""
    last = result.last(_KILLED)
    if last is not None and result.run_id in last.detail.get("runs", ()):
        return
    for failure in result.failures:
        alert = NewAlert(
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


def killed_runs(result: RunResult) -> Iterator[NewAlert]:
    """Alert of orphaned runs, but those whose failure has an alert: Dagster's sensors report its daemon's runs."""
    runs = sorted(set(result.killed) - alert_rows.failed_runs(result.session, result.killed))
    if runs:
        yield NewAlert(
            kind=AlertKind.RUN_FAILED,
            severity="P2",
            title="A run was killed",
            body=f"{len(runs)} earlier run{'s' if len(runs) > 1 else ''} ended early (killed, or the machine "
            "went down); this run has resumed their exports: no action is needed, unless it happens again",
            alert_class=_KILLED,
            detail={"runs": runs},
        )


def _moved_calls(result: RunResult) -> Iterator[NewAlert]:
    """Alert of new swings of merged exports; where many calls moved at once, first of that as a mass change."""
    for outcome in result.unreviewed:
        if outcome.export.state == "LOADED":
            swings = alert_rows.swings(result.session, outcome.export.job_id)
            news = [swing for swing in swings if _is_news(result, outcome.export, swing)]
            yield from _mass_changes(result, outcome.export, news)
            yield from (_swing(result, outcome.export, swing) for swing in news)


def _mass_changes(result: RunResult, export: ExportRow, swings: Sequence[ReportedSwing]) -> Iterator[NewAlert]:
    where = export.label
    alerted: set[tuple[str, str]] = set()
    # One alert per field: baseline `sync` sorts before `week`.
    for mass in sorted(marts.mass_changes(result.session, export.job_id), key=lambda one: one.baseline):
        field = (mass.time_period_id, mass.field_id)
        of_field = [
            swing
            for swing in swings
            if (swing.time_period_id, swing.field_id, swing.baseline) == (*field, mass.baseline)
            and (mass.user_ids is None or swing.user_id in mass.user_ids)
        ]
        # Against a week ago it stays a mass change for days: alert of it only while some of its swings are news.
        if field in alerted or (mass.baseline == "week" and not of_field):
            continue
        alerted.add(field)
        since = "since the last sync" if mass.baseline == "sync" else "on the week"
        alike = f", {mass.moved_alike} by the same ratio {mass.ratio:f}" if mass.moved_alike else ""
        yield NewAlert(
            kind=AlertKind.MASS_CHANGE,
            severity="P2",
            title=f"{where}: {mass.field_name} moved as a whole",
            body=f"{mass.swung} of {mass.compared} calls swung {since}{alike}",
            alert_class=f"mass_change {where} {mass.time_period_id} {mass.field_id}",
            detail=asdict(mass) | _export_ids(export) | {"largest": [asdict(swing) for swing in of_field[:5]]},
            is_news=True,
        )


def _swing(result: RunResult, export: ExportRow, swing: ReportedSwing) -> NewAlert:
    amounts = f"{swing.previous_value:,.2f} to {swing.current_value:,.2f} {swing.currency_code or ''}"
    return NewAlert(
        kind=AlertKind.FORECAST_SWING,
        severity=result.swing_severity,
        title=f"{swing.user_name}, {swing.field_name} {swing.forecast_id} {swing.quarter_id}",
        body=amounts.strip(),
        alert_class=_swing_class(export, swing, swing.user_id),
        detail=asdict(swing),
        is_news=True,
    )


def _export_ids(export: ExportRow) -> dict[str, str | None]:
    return {"forecast_id": export.forecast_id, "quarter_id": export.time_period_id, "job_id": export.job_id}


def _swing_class(export: ExportRow, swing: ReportedSwing, user_id: str) -> str:
    return f"forecast_swing {export.label} {swing.time_period_id} {user_id} {swing.field_id}"


def _is_news(result: RunResult, export: ExportRow, swing: ReportedSwing) -> bool:
    """Whether no alert has reported the swing yet.

    A swing since the last sync always is; one since a week ago only if the call has moved by more than the threshold
    from the value in the newest alert on it, under the person's present or previous id.
    """
    if swing.baseline == "sync":
        return True
    for user_id in filter(None, (swing.user_id, swing.previous_user_id)):
        if (last := result.last(_swing_class(export, swing, user_id))) is not None:
            value = Decimal(last.detail["current_value"])
            return abs(swing.current_value - value) > swing.threshold * abs(value)
    return True


def _stale_quarters(result: RunResult) -> Iterator[NewAlert]:
    """Alert of quarters whose newest merged export is stale by the schedule, or by `CLARI_MAX_AGE_HOURS`."""
    settings = result.settings
    if not settings.forecast_ids:
        return
    stale = alert_rows.stale(
        result.session,
        quarters=result.quarters,
        forecasts=settings.forecast_ids,
        not_before=stale_before(settings, result.now),
    )
    for quarter in stale:
        where = f"{quarter.forecast_id} {quarter.quarter_id}"
        hours = (result.now - quarter.exported_at).total_seconds() / 3600
        yield NewAlert(
            kind=AlertKind.FRESHNESS,
            severity="P2",
            title=f"{where}: the figures are stale",
            body=f"the newest export is {hours:.0f} hours old, the limit is {allowed_hours(settings, result.now):.0f}: "
            "clari-pipeline status shows what became of the last exports",
            alert_class=f"freshness {where}",
            detail={"forecast_id": quarter.forecast_id, "quarter_id": quarter.quarter_id, "job_id": None},
        )


def _rule_title(rule: QualityResult) -> str:
    if rule.table_name is None:
        return f"{rule.source} cannot be read"
    return f"{rule.rule_name} {'could not be evaluated' if 'not_judged' in rule.evidence else 'failed'}"


def _broken_rules(result: RunResult) -> Iterator[NewAlert]:
    """Alert of each rule of the user's own that the newest run found broken: once, until it passes or finds another.

    What it finds in between is sent again as `CLARI_ALERT_REPEAT_HOURS` says.
    """
    for one in quality_results.broken(result.session):
        rule = one.result
        alert_class = f"quality {rule.rule_name}"
        last = result.last(alert_class)
        has_passed = last is not None and one.not_broken_at is not None and one.not_broken_at > last.created_at
        found = f"{rule.severity} {rule.summary}"
        if last is not None and not has_passed and last.detail.get("found") == found:
            continue
        evidence = rule.evidence
        lines = [f"on {rule.table_name}" if rule.table_name else f"in {rule.source}", rule.summary]
        if evidence.get("explains"):
            lines.append(f"expected: {evidence['expected']}")
        rows = evidence.get("unexpected_rows", [])
        if evidence.get("unexpected_count", 0) > len(rows) > 0:
            lines.append(f"the first {len(rows)} rows are in clari.quality_result")
        yield NewAlert(
            kind=AlertKind.QUALITY,
            severity="P2" if rule.severity == "ERROR" else "P3",
            title=_rule_title(rule),
            body="\n".join(lines),
            alert_class=alert_class,
            detail={"rule": rule.rule_name, "table": rule.table_name, "found": found, "job_id": None},
            is_news=last is None or has_passed,
        )


FINDERS: tuple[Callable[[RunResult], Iterator[NewAlert]], ...] = (
    _moved_calls,
    _exports_not_merged,
    _tables_repaired,
    _contract_changes,
    _run_failures,
    killed_runs,
    _stale_quarters,
    _broken_rules,
)
"""The functions that find alerts, in the order in which they run: a new kind of alert adds its own here."""
