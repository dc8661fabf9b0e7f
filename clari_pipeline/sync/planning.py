"""What a run has to do: exports to ask for, exports to go on with, exports that are done already.

A run that was killed is continued: what it had asked for is taken up where it stands, what it had merged a moment ago
is not asked for again. Clari counts every export, and cannot give an old one again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clari_pipeline.clari import Export, ExportFormat, ExportRequest, LeftBehind, Limits
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.store import ledger
from clari_pipeline.sync.runs import Runs
from clari_pipeline.warehouse.session import Warehouse
from clari_pipeline.warehouse.statements import Record

_STILL_CURRENT = timedelta(hours=12)
_JUST_MERGED = timedelta(hours=1)
_AT_CLARI = ("SUBMITTING", "SUBMITTED")


@dataclass(frozen=True, slots=True)
class Plan:
    """One run's work.

    `recovered` are exports that an older run left at Clari: their documents are brought in for the history's sake,
    beside `exports`, which show the present. `finished` names, by request id, the quarters of exports that a run which
    was killed a moment ago had landed or merged, and of those that any run had landed and not merged. `killed` are the
    runs that did not come to their end, and that nobody stopped by hand.
    """

    exports: tuple[Export, ...]
    recovered: tuple[Export, ...] = ()
    finished: Mapping[str, str] = field(default_factory=dict)
    killed: frozenset[str] = frozenset()

    @property
    def recovered_quarters(self) -> list[Quarter]:
        """The quarters of what is recovered, or waits to be merged."""
        found = {*(export.quarter_id for export in self.recovered), *self.finished.values()}
        return sorted(map(Quarter.parse, found), reverse=True)

    @property
    def to_ask(self) -> int:
        """How many exports Clari may have to be asked for."""
        return sum(export.left_behind is None or export.left_behind.job_id is None for export in self.exports)


def by_urgency(quarters: Iterable[Quarter], *, current: Quarter) -> list[Quarter]:
    """The current quarter first, then the past, the newest first, then what is to come."""
    known = sorted(set(quarters))
    return [quarter for quarter in reversed(known) if quarter <= current] + [q for q in known if q > current]


def plan(settings: Settings, quarters: Iterable[Quarter], forecasts: Sequence[str]) -> Plan:
    """An export for each forecast of each quarter, in the order of the quarters."""
    return Plan(
        tuple(
            Export.planned(
                ExportRequest(
                    forecast_id=forecast_id,
                    time_period=str(quarter),
                    types=settings.types_to_export,
                    scope_id=settings.scope_id,
                    currency=settings.currency,
                    include_historical=settings.include_historical,
                    export_format=ExportFormat(settings.export_format),
                )
            )
            for quarter in quarters
            for forecast_id in dict.fromkeys(forecasts)
        )
    )


def resume(warehouse: Warehouse, runs: Runs, fresh: Plan, *, run_id: str, now: datetime, everywhere: bool) -> Plan:
    """The plan, less what is done already, with what dead runs have left at Clari.

    The newest export that was left behind takes the place of asking anew, where the same was asked for and its figures
    are not of another half-day; whatever else was left is recovered or merged, that of other quarters if `everywhere`.
    All of it belongs to this run from now on. The caller holds the warehouse's lock, so that no other run looks
    meanwhile.
    """
    exports: list[Export] = []
    finished: dict[str, str] = {}
    with warehouse.session() as session:
        killed = runs.killed()
        at_clari = [row for row in ledger.at_clari(session) if not runs.is_alive(row["run_id"])]
        landed = [row for row in ledger.landed_by(session, killed) if not runs.is_alive(row["run_id"])]
        begun = {row["request_id"]: row for row in sorted([*at_clari, *landed], key=_submitted_at, reverse=True)}
        for export in fresh.exports:
            same = (row for row in begun.values() if _request_of(row) == export.request)
            newest = next(same, None)
            if newest is None or not _is_as_good_as_new(newest, now):
                exports.append(export)
                continue
            del begun[newest["request_id"]]
            ledger.EXPORTS.reassign(session, newest["request_id"], run_id)
            if newest["state"] in _AT_CLARI:
                exports.append(_continued(newest))
            else:
                finished[newest["request_id"]] = export.quarter_id
        quarters = {export.quarter_id for export in fresh.exports}
        recovered = [
            row
            for row in begun.values()
            if row["state"] in _AT_CLARI and (everywhere or row["time_period_id"] in quarters)
        ]
        for row in recovered:
            ledger.EXPORTS.reassign(session, row["request_id"], run_id)
        for row in begun.values():
            if row["state"] != "LANDED" or _is_as_good_as_new(row, now) or not everywhere:
                continue
            ledger.EXPORTS.reassign(session, row["request_id"], run_id)
            finished[row["request_id"]] = row["time_period_id"]
        # What was not taken up now may still be, by a sync of its quarter.
        waiting = {
            row["run_id"] for row in begun.values() if row["state"] not in _AT_CLARI and _is_as_good_as_new(row, now)
        }
        crashed = frozenset(other for other in killed if not runs.was_stopped(other))
        for other in killed - waiting:
            runs.forget(other)
    history = tuple(_continued(row, is_history=True) for row in recovered)
    return Plan(tuple(exports), history, finished, crashed)


def _submitted_at(row: Record) -> datetime:
    submitted_at: datetime = row["submitted_at"]
    return submitted_at


def _is_as_good_as_new(row: Record, now: datetime) -> bool:
    return now - _submitted_at(row) < (_JUST_MERGED if row["state"] in {"LOADED", "REFUSED"} else _STILL_CURRENT)


def _continued(row: Record, *, is_history: bool = False) -> Export:
    return Export(
        request_id=row["request_id"],
        request=_request_of(row),
        attempt=row["attempt"],
        left_behind=LeftBehind(row["job_id"], row["submitted_at"]),
        is_history=is_history,
    )


def _request_of(row: Record) -> ExportRequest:
    """What was asked for, the types included that Clari did not give."""
    types = [*(row["types_to_export"] or "").split(","), *(row["types_refused"] or "").split(",")]
    return ExportRequest(
        forecast_id=row["forecast_id"],
        time_period=row["time_period_id"],
        types=tuple(sorted(filter(None, types))),
        scope_id=row["scope_id"],
        currency=row["currency"],
        include_historical=row["include_historical"],
        export_format=ExportFormat(row["export_format"]),
    )


def afford(plan: Plan, limits: Limits) -> set[str]:
    """Request ids of the exports that the quota has no room for: the last of the plan.

    What a dead run left behind without a job may have to be asked for, and comes first.
    """
    asked = [export.request_id for export in plan.exports if export.left_behind is None]
    left = limits.available_monthly_quota
    if left is None:
        return set()
    return set(asked[max(left - (plan.to_ask - len(asked)), 0) :])
