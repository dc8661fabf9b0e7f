"""The result of a product in a run, as lines for people and as objects for `--json`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from clari_pipeline.checks.export_gate import Verdict
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import AlertKind, PipelineError, Problem, RunbookSection
from clari_pipeline.store import fetches, ledger
from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.sync.outcomes import first_broken
from clari_pipeline.sync.products.evidence import gap_sentence, window_of
from clari_pipeline.sync.products.registry import PRODUCTS, is_exported
from clari_pipeline.sync.products.windows import Window
from clari_pipeline.warehouse.session import Session, Warehouse

_IN_JSON = (
    "product",
    "request_id",
    "job_id",
    "state",
    "window_from",
    "window_to",
    "gap_from",
    "gap_to",
    "rows_exported",
    "rows_inserted",
    "rows_updated",
    "rows_unchanged",
    "error",
)
_REMARKED = {"parts_are_complete", "moments_are_readable", "scores_are_readable", "opportunities_are_known"}


@dataclass(frozen=True, slots=True)
class ProductResult:
    """The result of a product in one run: ledger rows of its fetches, their verdicts, warnings and problem."""

    product: str
    fetches: list[FetchRow]
    verdicts: list[Verdict] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    unrecorded: list[Problem] = field(default_factory=list)  # further warnings, which the ledger does not hold
    problem: Problem | None = None  # what ended the run early

    @property
    def lines(self) -> list[str]:
        """A line a fetch, for people."""
        if not self.fetches and not self.problem:
            return [f"{self.product}: nothing to ask for"]
        return [f"{self.product}: {self._line(fetch)}" for fetch in self.fetches]

    def _line(self, fetch: FetchRow) -> str:
        if fetch.state == "LOADED":
            counts = f"{fetch.rows_staged:,} {PRODUCTS[self.product].noun}{_days(fetch)}"
            return f"{counts}, {fetch.rows_inserted:,} new, {fetch.rows_updated:,} changed"
        if fetch.request_id in self.in_parts:
            too_long = "cut off by Clari" if fetch.state == "REFUSED" else "too large"
            return f"{too_long}{_days(fetch)}, and asked for in parts"
        return f"{fetch.state}{_days(fetch) if len(self.fetches) > 1 else ''}"

    @property
    def in_parts(self) -> set[str]:
        """Request ids of windows that Clari cut off: they are requested in parts, which are fetches of their own."""
        return _in_parts(self.fetches)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Its fetches for `--json`."""
        return [{name: _written(getattr(fetch, name)) for name in _IN_JSON} for fetch in self.fetches]

    @property
    def checks(self) -> list[dict[str, Any]]:
        """Its verdicts for `--json`, keyed as forecasts': `forecast_id` is the product, `time_period_id` the window."""
        windows = {fetch.request_id: window_of(fetch) for fetch in self.fetches}
        return [
            {
                "name": verdict.check_name,
                "product": self.product,
                "forecast_id": self.product,
                "time_period_id": windows[verdict.request_id],
                "passed": verdict.passed,
                "severity": verdict.severity,
                "evidence": verdict.evidence,
            }
            for verdict in self.verdicts
        ]

    @property
    def failures(self) -> list[Problem]:
        """A problem for each fetch that was not merged, unless merged ones of the run cover all of its days."""
        by_days = is_exported(self.product)
        # An adopted job may be of other days.
        merged = [one for one in self.fetches if by_days and one.state == "LOADED" and not one.is_adopted]
        merged_days = {day for one in merged for day in Window.of(one)}
        failed = [
            Problem(
                AlertKind.RUN_FAILED,
                None,
                f"{self.product} not merged: {fetch.reason}",
                self._section(fetch),
                subject=f"{self.product} not merged",
            )
            for fetch in self.fetches
            if fetch.state != "LOADED"
            and fetch.request_id not in self.in_parts
            and not (by_days and merged_days.issuperset(Window.of(fetch)))
        ]
        if self.problem is not None:
            message = f"{self.product} not merged: {self.problem.message}"
            failed.append(replace(self.problem, message=message, subject=f"{self.product} not merged"))
        return failed

    def _section(self, fetch: FetchRow) -> str:
        """The runbook section: of the check that refused the document, or of the error."""
        of_fetch = [verdict for verdict in self.verdicts if verdict.request_id == fetch.request_id]
        if fetch.state == "REFUSED" and (check := first_broken(of_fetch)) is not None:
            return check
        known = PipelineError.named(fetch.error_kind or "")
        return known.section if known is not None else RunbookSection.EXPORT_STOPPED


def result_of(warehouse: Warehouse, settings: Settings, name: str, *, run_id: str) -> ProductResult:
    """Read the result of a product in a run from the ledger."""
    with warehouse.session() as session:
        found = fetches.of_run(session, run_id, name)
        verdicts = verdicts_of(session, found)
        loaded = [fetch for fetch in found if fetch.state == "LOADED"]
        warnings = [
            *(
                Problem(None, None, gap_sentence(session, fetch), "window_has_no_gap")
                for fetch in loaded
                if fetch.gap_from is not None
            ),
            *(
                Problem(None, None, f"{name}: {verdict.finding}", verdict.check_name)
                for verdict in verdicts
                if not verdict.passed and verdict.check_name in _REMARKED
            ),
            *PRODUCTS[name].warnings(session, settings, found),
            *(
                Problem(
                    None,
                    None,
                    f"{name}: Clari's answer was lost, and the job found in its place may be of other days; "
                    f"those{_days(fetch)} are asked for again by the next sync",
                    RunbookSection.JOB_ADOPTED,
                )
                for fetch in loaded
                if fetch.is_adopted
            ),
        ]
    return ProductResult(name, found, verdicts, warnings)


def verdicts_of(session: Session, found: Sequence[FetchRow]) -> list[Verdict]:
    """What was judged of these fetches; not of what is asked for in parts."""
    in_parts = _in_parts(found)
    judged = [fetch.request_id for fetch in found if fetch.request_id not in in_parts]
    return [verdict for request_id in judged for verdict in ledger.verdicts_of(session, request_id)]


def is_cut_off(fetch: FetchRow) -> bool:
    """Whether Clari flagged the window's document as incomplete [spec], or it is larger than may land."""
    if fetch.window_from is None:
        return False
    return (fetch.state == "REFUSED" and bool(fetch.rows_truncated)) or fetch.error_kind == "ResultTooLarge"


def _in_parts(found: Iterable[FetchRow]) -> set[str]:
    return {fetch.request_id for fetch in found if is_cut_off(fetch) and len(Window.of(fetch)) > 1}


def _written(value: Any) -> Any:
    """A timestamp as ISO 8601, anything else unchanged."""
    return value.isoformat() if isinstance(value, datetime) else value


def _days(fetch: FetchRow) -> str:
    if fetch.window_from is None:
        return ""
    return f" of {fetch.window_from:%Y-%m-%d} to {fetch.window_to:%Y-%m-%d}"
