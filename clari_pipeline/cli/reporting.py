"""The output of commands: tables and lines for people, JSON documents for programs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import AlertKind, Problem, RunbookSection, with_anchor
from clari_pipeline.core.safe_text import json_text, printable
from clari_pipeline.store import fetches
from clari_pipeline.store.ledger import QuarterStatus
from clari_pipeline.store.ledger_rows import ExportRow
from clari_pipeline.store.marts import Swing
from clari_pipeline.sync.outcomes import Outcome
from clari_pipeline.sync.replaying import InboxFile
from clari_pipeline.sync.run import SyncResult
from clari_pipeline.warehouse.session import Record, Session

_SHOWN_SWINGS = 10
_LEAST_NAME = 9  # columns that a person and a field have at least
_GAP = ("gap_from", "gap_to")
_WHY = {
    "expired": " and cannot be had again",
    "cut_off": ": Clari cuts it off, and less than a day cannot be asked for",
}
_COUNTS = {
    "rows_exported": "entries",
    "rows_inserted": "new",
    "rows_updated": "changed",
    "rows_unchanged": "same",
    "rows_disappeared": "gone",
}
_EXPORT_COLUMNS = (
    *("forecast_id", "time_period_id", "source", "job_id", "state"),
    *("rows_exported", "rows_inserted", "rows_updated", "rows_unchanged", "error"),
)


def warnings(result: SyncResult) -> list[Problem]:
    """Problems, each with its exports: one a set of types that are missing, one of quarters that had no quota left.

    Missing are types that Clari refused to export and that were not brought without a job. A quarter without quota is
    a failure of its own; it is here, too, if its newest week was brought without a job.
    """
    exports = [outcome.export for outcome in result.outcomes]
    brought = {export.label: export.types_to_export for export in exports if export.is_current and export.is_loaded}
    by_types: dict[str, list[str]] = {}
    for export in exports:
        if export.types_refused and brought.get(export.label) != export.types_refused:
            by_types.setdefault(export.types_refused, []).append(export.label)
    problems = [
        Problem(
            None,
            None,
            f"{', '.join(labels)} without {types.replace(',', ', ')}: Clari does not let this organisation export "
            "them, and what the tables hold of these measures stays as it was; leave them out of "
            "CLARI_TYPES_TO_EXPORT, or ask Clari to enable them",
            RunbookSection.TYPES_REFUSED,
        )
        for types, labels in by_types.items()
    ]
    exhausted = [outcome for outcome in result.outcomes if outcome.export.error_kind == "QuotaExhausted"]
    if instead := [outcome for outcome in exhausted if outcome.export.label in brought]:
        labels = ", ".join(outcome.export.label for outcome in instead)
        message = (
            f"{labels}: the newest week was brought without a job, as no export is left; earlier weeks stay as they"
            " were until a sync can export them"
        )
        problems.append(Problem(None, None, message, instead[0].section))
    return problems


def report_json(result: SyncResult, *, alerts_sent: int, files: Sequence[InboxFile] | None = None) -> str:
    """The document of `sync --json` and `replay --json`; `swings` counts a call once, whatever its baselines.

    `files` are the entries of an inbox, where one was read; `shared` lists exports that another sync made at the same
    time, where there are any.
    """
    of_call = ("forecast_id", "time_period_id", "user_id", "field_id")
    document = {
        "run_id": result.run_id,
        "started_at": result.started_at.isoformat(),
        "finished_at": result.finished_at.isoformat(),
        "exports": [{name: getattr(outcome.export, name) for name in _EXPORT_COLUMNS} for outcome in result.outcomes],
        "checks": [
            {
                "name": verdict.check_name,
                "forecast_id": outcome.export.forecast_id,
                "time_period_id": outcome.export.time_period_id,
                "passed": verdict.passed,
                "severity": verdict.severity,
                "evidence": verdict.evidence,
            }
            for outcome in result.outcomes
            for verdict in outcome.verdicts
        ]
        + [check for product in result.products for check in product.checks],
        "swings": len({tuple(getattr(swing, name) for name in of_call) for swing in result.swings}),
        "alerts_sent": alerts_sent,
        "expectations": [
            {
                "name": result.rule_name,
                "table": result.table_name,
                "type": result.expectation_type,
                "column": result.column_name,
                "passed": result.passed,
                "severity": result.severity,
                "evidence": result.evidence,
            }
            for result in result.expectations
        ],
    }
    if files is not None:
        document["files"] = [
            {
                "file": file.name,
                "state": file.state,
                "detail": file.detail,
                "time_period_id": file.time_period_id,
                "job_id": file.request_id,
            }
            for file in files
        ]
    if result.shared:
        of_other = ("forecast_id", "time_period_id", "job_id", "run_id")
        exports = (outcome.export for outcome in result.outcomes if outcome.export.request_id in result.shared)
        document["shared"] = [{name: getattr(export, name) for name in of_other} for export in exports]
    if result.products:
        document["products"] = [row for one in result.products for row in one.documents]
    return json_text(document, indent=1, default=str)


def show_files(console: Console, files: Sequence[InboxFile]) -> None:
    """Print one line for each entry of an inbox: its name, and what became of it."""
    if not files:
        console.print("The folder is empty.")
    for file in files:
        console.print(printable(file.line), highlight=False, soft_wrap=True)


def show_report(console: Console, result: SyncResult, files: Sequence[InboxFile] | None = None) -> None:
    """Print tables of what was merged and what was not, then failed checks and swings, then the lines of products.

    `files` are the entries of an inbox, where one was read: they tell its exports apart.
    """
    if result.outcomes or not result.products:
        _show_forecasts(console, result, files or ())
    for rule in (rule for rule in result.expectations if not rule.passed):
        line = with_anchor(
            f"{rule.severity:5} {rule.table_name or ''}  {rule.rule_name}: {rule.summary}", AlertKind.QUALITY
        )
        console.print(line, highlight=False, soft_wrap=True)
    if result.expectations and all(rule.passed for rule in result.expectations):
        console.print(f"Your own rules: {len(result.expectations)} evaluated, all passed.", highlight=False)
    for product in result.products:
        for line in product.lines:
            console.print(line, highlight=False, soft_wrap=True)


def _show_forecasts(console: Console, result: SyncResult, files: Sequence[InboxFile]) -> None:
    if not result.outcomes:
        console.print("Nothing was merged: no such document has landed. clari-pipeline sync brings them.")
        return
    exports = [outcome.export for outcome in result.outcomes]
    names = {file.request_id: file.name for file in files}
    is_mixed = len({export.is_current for export in exports}) > 1
    merged = [export for export in exports if export.is_loaded]
    if merged:
        _show_exports(console, "What was merged", merged, _COUNTS, names, with_source=is_mixed)
    if left := [export for export in exports if not export.is_loaded]:
        _show_exports(console, "What was not merged", left, {}, names, with_source=is_mixed)
    if shared := {export.time_period_id for export in exports if export.request_id in result.shared}:
        quarters = "1 quarter" if len(shared) == 1 else f"{len(shared)} quarters"
        console.print(f"{quarters}: exported by the sync that ran beside this one", highlight=False, soft_wrap=True)
    is_shown = _show_verdicts(console, result.outcomes)
    if not is_shown and not left and all(rule.passed for rule in result.expectations):
        console.print("No problems found.")
    show_swings(console, result.swings)


def _show_exports(
    console: Console,
    title: str,
    exports: Sequence[ExportRow],
    counts: Mapping[str, str],
    files: Mapping[str | None, str],
    *,
    with_source: bool,
) -> None:
    """Print a row an export; with the file of each, or its source, where several would look alike.

    The forecast stands in the title where it is the same in all. Nothing is cut off: what does not fit is folded.
    """
    forecasts = {export.forecast_id for export in exports}
    are_several = len(forecasts) > 1
    full_title = title if are_several else f"{title}: {forecasts.pop()}"
    table = Table(title=full_title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in (*(["forecast"] if are_several else []), "quarter", *(["file"] if files else []), "state"):
        table.add_column(name, overflow="fold", no_wrap=name != "file")
    for name in counts.values():
        table.add_column(name, justify="right", overflow="fold", no_wrap=True)
    if with_source:
        table.add_column("source", overflow="fold")
    table.add_column("waited", justify="right", overflow="fold", no_wrap=True)
    for export in exports:
        table.add_row(
            *([export.forecast_id] if are_several else []),
            export.time_period_id,
            *([files.get(export.request_id, "")] if files else []),
            export.state,
            *(_number(getattr(export, name)) for name in counts),
            *(["newest week" if export.is_current else "export"] if with_source else []),
            "no job" if export.is_current else f"{export.wait_seconds or 0:.1f} s",
        )
    console.print(table)


def _show_verdicts(console: Console, outcomes: Sequence[Outcome]) -> bool:
    """Print a line for each finding, with all exports that it concerns; returns whether there was any.

    What kept an export out is left to `failures`: one cause is said once.
    """
    labels: dict[tuple[str, str, str], list[str]] = {}
    for outcome in outcomes:
        for one in outcome.verdicts:
            if one.passed or (outcome.is_failure and one.check_name == outcome.section):
                continue
            shown = [f"{name} {value}" for name, value in one.evidence.items() if isinstance(value, int | str)]
            summary = one.evidence.get("summary") or ", ".join(shown)
            labels.setdefault((one.severity, one.check_name, summary), []).append(outcome.export.label)
    for (severity, check, summary), found in labels.items():
        line = with_anchor(f"{severity:5} {', '.join(found)}  {check}: {summary}", check)
        console.print(line, highlight=False, soft_wrap=True)
    return bool(labels)


def show_swings(console: Console, swings: Sequence[Swing]) -> None:
    """Print the largest swings as a table that fits the console; forecast and quarter only where they differ."""
    if not swings:
        return
    places = {
        name: [getattr(swing, column) for swing in swings]
        for name, column in (("forecast", "forecast_id"), ("quarter", "time_period_id"))
    }
    differing = {name: values for name, values in places.items() if len(set(values)) > 1}
    alike = " ".join(values[0] for name, values in places.items() if name not in differing)
    title = " ".join(["Calls that moved", *([f"({alike})"] if alike else [])])
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("person", "field"):
        table.add_column(name, overflow="fold", min_width=_LEAST_NAME)
    for name in differing:
        table.add_column(name, overflow="fold")
    for name in ("from", "to", "change"):
        table.add_column(name, justify="right", overflow="fold", no_wrap=True)
    table.add_column("since last", overflow="fold")
    for place, swing in enumerate(swings[:_SHOWN_SWINGS]):
        change = "" if swing.change_amount is None else f"{swing.change_amount:+,.2f}"
        table.add_row(
            swing.user_name or swing.user_id,
            swing.field_name,
            *(values[place] for values in differing.values()),
            f"{swing.previous_value:,.2f}",
            f"{swing.current_value:,.2f}",
            change if swing.change_pct is None else f"{swing.change_pct * 100:+.1f} %",
            swing.baseline,
        )
    console.print(table)
    if (more := len(swings) - _SHOWN_SWINGS) > 0:
        console.print(f"and {more} more: select * from clari.forecast_swing where is_swing")  # noqa: S608 - to read


def failures(outcomes: Sequence[Outcome]) -> list[Problem]:
    """A problem for each cause, naming all exports that failed by it."""
    by_cause: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.is_failure:
            by_cause.setdefault((outcome.reason, outcome.section), []).append(outcome.export.label)
    return [
        Problem(AlertKind.EXPORT_FAILED, None, f"{', '.join(exports)} not merged: {cause}", section)
        for (cause, section), exports in by_cause.items()
    ]


def repaired(outcomes: Sequence[Outcome]) -> list[Problem]:
    """A problem for each quarter whose tables were found damaged; they are repaired, and their figures were wrong."""
    return [
        Problem(AlertKind.QUALITY, None, f"{outcome.export.label}: {verdict.finding}", verdict.check_name)
        for outcome in outcomes
        for verdict in outcome.verdicts
        if verdict.is_repaired
    ]


def status_document(
    exports: Sequence[QuarterStatus], quota: dict[str, Any] | None, alerts_unsent: int
) -> dict[str, Any]:
    """The document of `status --json`; an export has `current_at` only if a newest week was merged without a job."""
    return {
        "exports": [
            {
                "forecast_id": export.forecast_id,
                "time_period_id": export.time_period_id,
                "state": export.state,
                "exported_at": export.exported_at.isoformat() if export.exported_at else None,
                "age_hours": _age_hours(export.exported_at),
                "rows": export.rows,
            }
            | ({"current_at": export.current_at.isoformat()} if export.current_at else {})
            for export in exports
        ],
        "quota": quota,
        "alerts_unsent": alerts_unsent,
    }


def show_status(console: Console, document: dict[str, Any], *, has_channels: bool) -> None:
    """Print the status document as a table and lines."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("forecast", "quarter", "newest export", "figures as of"):
        table.add_column(name, no_wrap=True, overflow="fold")
    for name in ("age", "rows"):
        table.add_column(name, justify="right", no_wrap=True)
    with_current = any("current_at" in export for export in document["exports"])
    if with_current:
        table.add_column("newest week as of", no_wrap=True)
    for export in document["exports"]:
        table.add_row(
            export["forecast_id"],
            export["time_period_id"],
            export["state"],
            _minute(export["exported_at"] or "never"),
            "" if export["age_hours"] is None else f"{export['age_hours']:.1f} h",
            _number(export["rows"]),
            *([_minute(export.get("current_at", ""))] if with_current else []),
        )
    if document["exports"]:
        console.print(table)
    else:
        console.print("Nothing has been exported yet: run clari-pipeline sync")
    quota = document["quota"]
    if quota is None:
        console.print("Export quota: unknown (Clari was not asked, or did not say)")
    else:
        console.print(
            f"Export quota: {quota['available']} of {quota['monthly']} left in a rolling 30 days, "
            f"{quota['concurrent']} at once"
        )
    console.print(f"Alerts: {_pending(document['alerts_unsent'], has_channels=has_channels)}")
    for one in document.get("products", ()):
        as_of = f", as of {_minute(one['exported_at'])} ({one['age_hours']:.1f} h)" if one["exported_at"] else ""
        off = "" if one["is_named"] else " (not in CLARI_PRODUCTS)"
        line = f"{one['product']}: {one['state'] or 'never fetched'}{as_of}{off}"
        console.print(line, highlight=False, soft_wrap=True)
        for gap in one["gaps"]:
            stretch = " to ".join(_minute(gap[end]) for end in _GAP)
            console.print(f"   {stretch} is missing{_WHY[gap['reason']]}", highlight=False, soft_wrap=True)


def products_document(session: Session | None, settings: Settings) -> dict[str, Any]:
    """`products` of `status --json`: those in the settings, and those ever fetched; an empty dict without any."""
    known = {one.product: one for one in fetches.status(session)} if session is not None else {}
    gaps = fetches.gaps(session) if session is not None else []
    documents = []
    for name in dict.fromkeys([*settings.other_products, *known]):
        found = known.get(name)
        exported_at = found.exported_at if found else None
        documents.append(
            {
                "product": name,
                "is_named": name in settings.products,
                "state": found.state if found else None,
                "exported_at": exported_at.isoformat() if exported_at else None,
                "age_hours": _age_hours(exported_at),
                "rows": found.rows if found else None,
                "error": found.error if found else None,
                "gaps": [
                    {end: getattr(gap, end).isoformat() for end in _GAP} | {"reason": gap.reason}
                    for gap in gaps
                    if gap.product == name
                ],
            }
        )
    return {"products": documents} if documents else {}


def alerts_document(alerts: Sequence[Record]) -> dict[str, Any]:
    """The document of `alerts list --json`."""
    return {
        "alerts": [
            {name: value.isoformat() if isinstance(value, datetime) else value for name, value in alert.items()}
            for alert in alerts
        ]
    }


def show_alerts(console: Console, alerts: Sequence[Record], *, has_channels: bool) -> None:
    """Print alerts, with their last error and key."""
    if alerts and not has_channels:
        console.print("No channel is set (CLARI_ALERT_URLS): alerts are sent to nobody.")
    pending = "not sent yet" if has_channels else "no channel is set"
    if not alerts:
        console.print("No alert has been raised.")
    for alert in alerts:
        sent = f"sent {alert['sent_at']:%Y-%m-%d %H:%M}" if alert["sent_at"] else pending
        line = f"{alert['severity']} {alert['created_at']:%Y-%m-%d %H:%M} {alert['title']}: {alert['body']} ({sent})"
        console.print(line, highlight=False, soft_wrap=True)
        if alert["last_error"]:
            console.print(f"   {alert['last_error']}", highlight=False, soft_wrap=True)
        console.print(f"   key: {alert['alert_key']}", highlight=False, soft_wrap=True)


def _pending(unsent: int, *, has_channels: bool) -> str:
    if not has_channels:
        found = f"{unsent} raised, and " if unsent else ""
        return f"{found}no channel is set (CLARI_ALERT_URLS)"
    return f"{unsent} not sent yet (clari-pipeline alerts list)" if unsent else "all sent"


def _age_hours(exported_at: datetime | None) -> float | None:
    """Hours since the figures were exported."""
    return None if exported_at is None else round((datetime.now(UTC) - exported_at).total_seconds() / 3600, 2)


def _minute(written: str) -> str:
    """Shorten ISO 8601 to `2026-10-06 06:00`."""
    return written[:16].replace("T", " ")


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
