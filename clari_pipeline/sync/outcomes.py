"""The outcome of an export: its state, the reason, and the runbook section on what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clari_pipeline.checks.export_gate import EXCUSED_IN_GRACE
from clari_pipeline.core.runbook import AlertKind, Problem, Remark, section_named
from clari_pipeline.core.safe_text import one_line
from clari_pipeline.store import ledger, marts
from clari_pipeline.warehouse.session import Session, Warehouse
from clari_pipeline.warehouse.statements import Record


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one export: its row of `export_job` and its verdicts of the gate."""

    export: Record
    verdicts: list[Record]

    @property
    def is_failure(self) -> bool:
        """Whether it was not merged, except where a quarter's grace days excuse that."""
        match self.export["state"]:
            case "LOADED" | "RETIRED":
                return False
            case "REFUSED":
                broken = [verdict for verdict in self.verdicts if not verdict["passed"]]
                excused = [
                    verdict
                    for verdict in broken
                    if verdict["check_name"] in EXCUSED_IN_GRACE and verdict["severity"] == "WARN"
                ]
                return not excused or any(verdict["severity"] == "ERROR" for verdict in broken)
            case _:
                return True

    @property
    def reason(self) -> str:
        """The reason why it was not merged, in one line."""
        return self.export["error"] or f"stopped as {self.export['state']}: run again, it is continued from there"

    @property
    def section(self) -> str:
        """The runbook section on the reason: named by the check that refused it, or by the error."""
        if self.export["state"] == "REFUSED" and (check := first_broken(self.verdicts)) is not None:
            return check
        kind = self.export["error_kind"]
        return section_named(kind, self.export["error"] or "") if kind else Remark.EXPORT_STOPPED

    @property
    def sentence(self) -> str:
        """Forecast, quarter, state and reason, in one line that can be shown."""
        export = self.export
        job = f" (job {export['job_id']})" if export["job_id"] else ""
        error = f": {export['error']}" if export["error"] else ""
        return one_line(f"{export['forecast_id']} {export['time_period_id']} {export['state']}{job}{error}")

    @property
    def problem(self) -> Problem:
        """The outcome as a problem of the quarter's run."""
        return Problem(AlertKind.EXPORT_FAILED, self.export["time_period_id"], self.sentence, self.section)


def first_broken(verdicts: Iterable[Record]) -> str | None:
    """The name of the first check that did not pass, errors before warnings; None where all passed."""
    broken = [verdict for verdict in verdicts if not verdict["passed"]]
    return min(broken, key=lambda verdict: verdict["severity"] != "ERROR")["check_name"] if broken else None


def outcomes_of(warehouse: Warehouse, request_ids: Iterable[str]) -> list[Outcome]:
    """The outcomes of these exports, in their order."""
    with warehouse.session() as session:
        return [
            Outcome(ledger.EXPORTS.row(session, request_id), ledger.verdicts_of(session, request_id))
            for request_id in request_ids
        ]


def requests_of_run(warehouse: Warehouse, run_id: str, quarter_id: str | None = None) -> list[str]:
    """Request ids of one sync's exports, of one quarter if it is named; of re-queued ones the newest attempt."""
    with warehouse.session() as session:
        exports = ledger.exports_of_run(session, run_id)
    return [export["request_id"] for export in exports if quarter_id in {None, export["time_period_id"]}]


def swings_of(session: Session, outcomes: Iterable[Outcome]) -> list[Record]:
    """The swings of these exports, the largest of each first."""
    return [
        swing | {"forecast_id": outcome.export["forecast_id"]}
        for outcome in outcomes
        if outcome.export["state"] == "LOADED"
        for swing in marts.swings_of(session, outcome.export["job_id"])
    ]
