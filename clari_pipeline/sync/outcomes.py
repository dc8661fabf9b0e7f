"""The outcome of an export: its state, the reason, and the runbook section on what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass

from clari_pipeline.checks.export_gate import Verdict
from clari_pipeline.core.runbook import AlertKind, Problem, RunbookSection, section_named
from clari_pipeline.core.safe_text import one_line
from clari_pipeline.store import ledger, marts
from clari_pipeline.store.ledger_rows import ExportRow
from clari_pipeline.store.marts import Swing
from clari_pipeline.warehouse.session import Session, Warehouse


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one export: its row of `export_job` and its verdicts of the gate."""

    export: ExportRow
    verdicts: list[Verdict]

    @property
    def is_failure(self) -> bool:
        """Whether it was not merged, except where a quarter's grace days excuse that.

        It is no failure that the call without a job is refused, too, for types that exports refuse: they are missing.
        """
        is_of_calls = "forecast" in self.export.types
        if self.export.is_current and self.export.error_kind == "TypeNotSupported" and not is_of_calls:
            return False
        match self.export.state:
            case "LOADED" | "RETIRED":
                return False
            case "REFUSED":
                is_excused = any(verdict.is_excused for verdict in self.verdicts)
                return not is_excused or any(verdict.is_error and not verdict.is_repaired for verdict in self.verdicts)
            case _:
                return True

    @property
    def reason(self) -> str:
        """The reason why it was not merged, in one line."""
        return self.export.reason

    @property
    def section(self) -> str:
        """The runbook section on the reason: named by the check that refused it, or by the error."""
        if self.export.state == "REFUSED" and (check := first_broken(self.verdicts)) is not None:
            return check
        kind = self.export.error_kind
        return section_named(kind, self.export.error or "") if kind else RunbookSection.EXPORT_STOPPED

    @property
    def sentence(self) -> str:
        """Forecast, quarter, state, job and error, in one printable line."""
        export = self.export
        job = " (without a job)" if export.is_current else f" (job {export.job_id})" if export.job_id else ""
        error = f": {export.error}" if export.error else ""
        return one_line(f"{export.label} {export.state}{job}{error}")

    @property
    def problem(self) -> Problem:
        """The outcome as a problem of the quarter's run."""
        return Problem(AlertKind.EXPORT_FAILED, self.export.time_period_id, self.sentence, self.section)


def first_broken(verdicts: Iterable[Verdict]) -> str | None:
    """The name of the first check that says why an export was kept out, errors before warnings; None for none."""
    broken = [verdict for verdict in verdicts if not verdict.passed and not verdict.is_repaired]
    return min(broken, key=lambda verdict: not verdict.is_error).check_name if broken else None


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
    return [export.request_id for export in exports if quarter_id in {None, export.time_period_id}]


def swings_of(session: Session, outcomes: Iterable[Outcome]) -> list[Swing]:
    """The swings of these exports, the largest of each first."""
    loaded = [outcome.export for outcome in outcomes if outcome.export.state == "LOADED"]
    return [swing for export in loaded for swing in marts.swings_of(session, export)]
