"""What came of a product in a run, for people and for `--json`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from clari_pipeline.config.settings import Settings
from clari_pipeline.core.runbook import AlertKind, PipelineError, Problem, Remark
from clari_pipeline.store import fetches, ledger
from clari_pipeline.sync.outcomes import first_broken
from clari_pipeline.sync.products.activity import QUIET_DAYS
from clari_pipeline.sync.products.loading import gap_sentence, window_of
from clari_pipeline.sync.products.registry import PRODUCTS
from clari_pipeline.sync.products.windows import Window
from clari_pipeline.warehouse.session import Session, Warehouse
from clari_pipeline.warehouse.statements import Record

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
_TOLD = {"parts_are_complete", "moments_are_readable", "scores_are_readable", "opportunities_are_known"}


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of a product in one run: its fetches' ledger rows, their verdicts, what people must know."""

    product: str
    fetches: list[Record]
    verdicts: list[Record] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)
    problem: Problem | None = None  # what kept the run from coming to its end

    @property
    def lines(self) -> list[str]:
        """A line a fetch, for people."""
        noun = PRODUCTS[self.product].noun
        if not self.fetches:
            return [] if self.problem else [f"{self.product}: nothing to ask for"]
        return [
            f"{self.product}: {fetch['rows_staged']:,} {noun}{_days(fetch)}, {fetch['rows_inserted']:,} new, "
            f"{fetch['rows_updated']:,} changed"
            if fetch["state"] == "LOADED"
            else f"{self.product}: {_how_too_long(fetch)}{_days(fetch)}, and asked for in parts"
            if fetch["request_id"] in self.in_parts
            else f"{self.product}: {fetch['state']}{_days(fetch) if len(self.fetches) > 1 else ''}"
            for fetch in self.fetches
        ]

    @property
    def in_parts(self) -> set[str]:
        """Request ids of what Clari has cut off and is asked for in parts, which say themselves how they came."""
        return _in_parts(self.fetches)

    def _came_otherwise(self, fetch: Record) -> bool:
        """Whether other documents of this run hold all of a fetch's days, such as of one that a dead run had begun."""
        if self.product != "activity":
            return False
        came = [one for one in self.fetches if one["state"] == "LOADED" and not one["is_adopted"]]
        return {day for one in came for day in Window.of(one)}.issuperset(Window.of(fetch))

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What `--json` says of it."""
        return [{name: _written(fetch[name]) for name in _IN_JSON} for fetch in self.fetches]

    @property
    def checks(self) -> list[dict[str, Any]]:
        """Its verdicts as `--json` says forecasts': product and window stand where forecast and quarter do."""
        windows = {fetch["request_id"]: window_of(fetch) for fetch in self.fetches}
        return [
            {
                "name": verdict["check_name"],
                "product": self.product,
                "forecast_id": self.product,
                "time_period_id": windows[verdict["request_id"]],
                "passed": verdict["passed"],
                "severity": verdict["severity"],
                "evidence": verdict["evidence"],
            }
            for verdict in self.verdicts
        ]

    def _section(self, fetch: Record) -> str:
        """The runbook's section: the check that has kept the document out, or the error."""
        of_fetch = [verdict for verdict in self.verdicts if verdict["request_id"] == fetch["request_id"]]
        if fetch["state"] == "REFUSED" and (check := first_broken(of_fetch)) is not None:
            return check
        known = PipelineError.named(fetch["error_kind"] or "")
        return known.section if known is not None else Remark.EXPORT_STOPPED

    @property
    def failures(self) -> list[Problem]:
        """One for each fetch that was not merged."""
        return [
            Problem(
                AlertKind.RUN_FAILED,
                None,
                f"{self.product} not merged: {fetch['error'] or _stopped(fetch)}",
                self._section(fetch),
                subject=self.product,
            )
            for fetch in self.fetches
            if fetch["state"] != "LOADED"
            and fetch["request_id"] not in self.in_parts
            and not self._came_otherwise(fetch)
        ] + (
            [replace(self.problem, message=f"{self.product} not merged: {self.problem.message}", subject=self.product)]
            if self.problem
            else []
        )


def brought(warehouse: Warehouse, settings: Settings, name: str, *, run_id: str) -> Brought:
    """What came of a product in a run, by the ledger."""
    with warehouse.session() as session:
        found = fetches.of_run(session, run_id, name)
        verdicts = verdicts_of(session, found)
        has_ids = name != "opportunity" or bool(fetches.opportunity_ids(session))
        remarks = [
            Problem(None, None, gap_sentence(session, fetch), "window_has_no_gap")
            for fetch in found
            if fetch["gap_from"] is not None and fetch["state"] == "LOADED"
        ]
    remarks += [
        Problem(None, None, f"{name}: {verdict['evidence'].get('summary')}", verdict["check_name"])
        for verdict in verdicts
        if not verdict["passed"] and verdict["check_name"] in _TOLD
    ]
    remarks += [
        Problem(
            None,
            None,
            f"{name}: Clari has nothing to show{_days(fetch)}, and is asked again: may the token's user see it?",
            "window_is_not_empty",
        )
        for fetch in found
        if name == "activity"
        and fetch["state"] == "LOADED"
        and not fetch["rows_exported"]
        and len(Window.of(fetch)) > QUIET_DAYS
    ]
    remarks += [
        Problem(
            None,
            None,
            f"{name}: Clari's answer was lost, and the job found in its place may be of other days; "
            f"those{_days(fetch)} are asked for again by the next sync",
            Remark.JOB_ADOPTED,
        )
        for fetch in found
        if fetch["is_adopted"] and fetch["state"] == "LOADED"
    ]
    if not has_ids:
        remedy = "" if "activity" in settings.products else "; CLARI_PRODUCTS has to name activity, too"
        message = f"opportunity: no activity is mapped to one yet{remedy}"
        remarks.append(Problem(None, None, message, Remark.NO_OPPORTUNITIES))
    return Brought(name, found, verdicts, remarks)


def verdicts_of(session: Session, found: list[Record]) -> list[Record]:
    """What was judged of these fetches, each with its `request_id`; not of what is asked for in parts."""
    return [
        verdict | {"request_id": fetch["request_id"]}
        for fetch in found
        if fetch["request_id"] not in _in_parts(found)
        for verdict in ledger.verdicts_of(session, fetch["request_id"])
    ]


def is_cut_off(fetch: Record) -> bool:
    """Whether a document came of which Clari says that it is incomplete, or one larger than may land."""
    if fetch["window_from"] is None:
        return False
    return bool(fetch["state"] == "REFUSED" and fetch["rows_truncated"]) or fetch["error_kind"] == "ResultTooLarge"


def _in_parts(found: list[Record]) -> set[str]:
    return {fetch["request_id"] for fetch in found if is_cut_off(fetch) and len(Window.of(fetch)) > 1}


def _how_too_long(fetch: Record) -> str:
    return "cut off by Clari" if fetch["state"] == "REFUSED" else "too large"


def _written(value: Any) -> Any:
    """A moment as ISO 8601, as everywhere in `--json`; anything else as it is."""
    return value.isoformat() if isinstance(value, datetime) else value


def _days(fetch: Record) -> str:
    if fetch["window_from"] is None:
        return ""
    return f" of {fetch['window_from']:%Y-%m-%d} to {fetch['window_to']:%Y-%m-%d}"


def _stopped(fetch: Record) -> str:
    return f"stopped as {fetch['state']}: run again, it is continued from there"
