"""What people and programs read at the end of a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from clari_pipeline.core.runbook import AlertKind, Problem, Remark, see
from clari_pipeline.core.safe_text import json_text
from clari_pipeline.store.ledger import QuarterStatus
from clari_pipeline.store.marts import Swing
from clari_pipeline.sync.outcomes import Outcome
from clari_pipeline.sync.run import SyncResult
from clari_pipeline.warehouse.statements import Record

_SHOWN_SWINGS = 10
_EXPORT_COLUMNS = (
    "forecast_id",
    "time_period_id",
    "job_id",
    "state",
    "rows_exported",
    "rows_inserted",
    "rows_updated",
    "rows_unchanged",
    "error",
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a sync or a replay did, for people and as JSON."""

    result: SyncResult
    alerts_sent: int = 0

    @property
    def swung_calls(self) -> int:
        """Calls that moved by more than allowed, each once, whatever it is compared with."""
        return len(
            {(swing.forecast_id, swing.time_period_id, swing.user_id, swing.field_id) for swing in self.result.swings}
        )

    @property
    def warnings(self) -> list[Problem]:
        """What a reader must know of exports that were merged all the same."""
        by_types: dict[str, list[str]] = {}
        for outcome in self.result.outcomes:
            if types := outcome.export.types_refused:
                by_types.setdefault(types, []).append(outcome.export.label)
        return [
            Problem(
                None,
                None,
                f"{', '.join(exports)} without {types.replace(',', ', ')}: Clari does not let this organisation export "
                "them, and what the tables hold of these measures stays as it was; leave them out of "
                "CLARI_TYPES_TO_EXPORT, or ask Clari to enable them",
                Remark.TYPES_REFUSED,
            )
            for types, exports in by_types.items()
        ]

    def as_json(self) -> str:
        """The one document that `--json` prints."""
        return json_text(
            {
                "run_id": self.result.run_id,
                "started_at": self.result.started_at.isoformat(),
                "finished_at": self.result.finished_at.isoformat(),
                "exports": [
                    {name: getattr(outcome.export, name) for name in _EXPORT_COLUMNS}
                    for outcome in self.result.outcomes
                ],
                "checks": [
                    {
                        "name": verdict.check_name,
                        "forecast_id": outcome.export.forecast_id,
                        "time_period_id": outcome.export.time_period_id,
                        "passed": verdict.passed,
                        "severity": verdict.severity,
                        "evidence": verdict.evidence,
                    }
                    for outcome in self.result.outcomes
                    for verdict in outcome.verdicts
                ]
                + [check for product in self.result.products for check in product.checks],
                "swings": self.swung_calls,
                "alerts_sent": self.alerts_sent,
                **(
                    {"products": [row for one in self.result.products for row in one.documents]}
                    if self.result.products
                    else {}
                ),
            },
            indent=1,
            default=str,
        )

    def show(self, console: Console) -> None:
        """A table of quarters, then what was found, then a line a product."""
        if self.result.outcomes or not self.result.products:
            self._show_forecasts(console)
        for product in self.result.products:
            for line in product.lines:
                console.print(line, highlight=False, soft_wrap=True)

    def _show_forecasts(self, console: Console) -> None:
        if not self.result.outcomes:
            console.print("Nothing was merged: no such document has landed. clari-pipeline sync brings them.")
            return
        console.print(self._quarters())
        found = [
            (outcome, verdict) for outcome in self.result.outcomes for verdict in outcome.verdicts if not verdict.passed
        ]
        if not found and not any(outcome.is_failure for outcome in self.result.outcomes):
            console.print("Found: nothing amiss.")
        for outcome, verdict in found:
            summary = verdict.evidence.get("summary") or _summary(verdict.evidence)
            line = f"{verdict.severity:5} {outcome.export.label}  {verdict.check_name}: {summary}"
            line = see(line, verdict.check_name)
            console.print(line, highlight=False, soft_wrap=True)
        for swing in self.result.swings[:_SHOWN_SWINGS]:
            console.print(f"SWING {_swing(swing)}", highlight=False, soft_wrap=True)
        if (more := len(self.result.swings) - _SHOWN_SWINGS) > 0:
            console.print(f"      and {more} more: select * from clari.forecast_swing")  # noqa: S608 - to read

    def _quarters(self) -> Table:
        table = Table(title="What was merged", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for name in ("forecast", "quarter", "state"):
            table.add_column(name, no_wrap=True, overflow="fold")
        for name in ("entries", "new", "changed", "same", "gone", "waited"):
            table.add_column(name, justify="right", no_wrap=True)
        for outcome in self.result.outcomes:
            export = outcome.export
            counts = ("rows_exported", "rows_inserted", "rows_updated", "rows_unchanged", "rows_disappeared")
            table.add_row(
                export.forecast_id,
                export.time_period_id,
                export.state,
                *(_number(getattr(export, name)) for name in counts),
                f"{export.wait_seconds or 0:.1f} s",
            )
        return table


def failures(outcomes: Sequence[Outcome]) -> list[Problem]:
    """One a cause, the exports that it hit named together."""
    by_cause: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.is_failure:
            by_cause.setdefault((outcome.reason, outcome.section), []).append(outcome.export.label)
    return [
        Problem(AlertKind.EXPORT_FAILED, None, f"{', '.join(exports)} not merged: {cause}", section)
        for (cause, section), exports in by_cause.items()
    ]


def status_document(
    exports: Sequence[QuarterStatus], quota: dict[str, Any] | None, alerts_unsent: int
) -> dict[str, Any]:
    """What `status --json` prints."""
    return {
        "exports": [
            {
                "forecast_id": export.forecast_id,
                "time_period_id": export.time_period_id,
                "state": export.state,
                "exported_at": export.exported_at.isoformat() if export.exported_at else None,
                "age_hours": age_hours(export.exported_at),
                "rows": export.rows,
            }
            for export in exports
        ],
        "quota": quota,
        "alerts_unsent": alerts_unsent,
    }


def show_status(console: Console, document: dict[str, Any]) -> None:
    """The same for people."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("forecast", "quarter", "newest export", "figures as of"):
        table.add_column(name, no_wrap=True, overflow="fold")
    for name in ("age", "rows"):
        table.add_column(name, justify="right", no_wrap=True)
    for export in document["exports"]:
        table.add_row(
            export["forecast_id"],
            export["time_period_id"],
            export["state"],
            (export["exported_at"] or "never")[:16].replace("T", " "),
            "" if export["age_hours"] is None else f"{export['age_hours']:.1f} h",
            _number(export["rows"]),
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
    console.print(f"Alerts not sent: {document['alerts_unsent']}")


def alerts_document(alerts: Sequence[Record]) -> dict[str, Any]:
    """What `alerts list --json` prints."""
    return {
        "alerts": [
            {name: value.isoformat() if isinstance(value, datetime) else value for name, value in alert.items()}
            for alert in alerts
        ]
    }


def show_alerts(console: Console, alerts: Sequence[Record]) -> None:
    """The same for people."""
    if not alerts:
        console.print("No alert has been raised.")
    for alert in alerts:
        sent = f"sent {alert['sent_at']:%Y-%m-%d %H:%M}" if alert["sent_at"] else "not sent"
        line = f"{alert['severity']} {alert['created_at']:%Y-%m-%d %H:%M} {alert['title']}: {alert['body']} ({sent})"
        console.print(line, highlight=False, soft_wrap=True)
        if alert["last_error"]:
            console.print(f"   {alert['last_error']}", highlight=False, soft_wrap=True)
        console.print(f"   key: {alert['alert_key']}", highlight=False, soft_wrap=True)


def age_hours(exported_at: datetime | None) -> float | None:
    """Hours since the figures were exported."""
    return None if exported_at is None else round((datetime.now(UTC) - exported_at).total_seconds() / 3600, 2)


def _swing(swing: Swing) -> str:
    who = swing.user_name or swing.user_id
    change = [
        *([f"{swing.change_amount:+,.2f}"] if swing.change_amount is not None else []),
        *([f"{swing.change_pct:+.1%}"] if swing.change_pct is not None else []),
    ]
    since = "since the last sync" if swing.baseline == "sync" else "since a week ago"
    return (
        f"{swing.forecast_id} {swing.time_period_id}  {who}, {swing.field_name}: "
        f"{swing.previous_value:,.2f} to {swing.current_value:,.2f} "
        f"({', '.join(change)}) {since}"
    )


def _summary(evidence: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in evidence.items() if isinstance(value, int | str))


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
