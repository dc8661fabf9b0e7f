"""What a run has to do: exports to ask for, exports to go on with, exports that are done already.

A run that was killed is continued: what it had asked for is taken up where it stands, what it had merged a moment ago
is not asked for again. Clari counts every export, and cannot give an old one again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clari_pipeline.clari import Export, ExportFormat, ExportRequest, LeftBehind, Limits
from clari_pipeline.periods import Quarter
from clari_pipeline.recording import request_columns
from clari_pipeline.runs import Runs
from clari_pipeline.settings import Settings
from clari_pipeline.warehouse import ledger
from clari_pipeline.warehouse.connection import Warehouse
from clari_pipeline.warehouse.statements import Connection, Record

_STILL_CURRENT = timedelta(hours=12)
_JUST_MERGED = timedelta(hours=1)
_QUOTA_WINDOW = timedelta(days=30)  # what was asked for before, Clari no longer knows
_AT_CLARI = ("SUBMITTING", "SUBMITTED")


@dataclass(frozen=True, slots=True)
class Plan:
    """One run's work.

    `recovered` are exports that an older run left at Clari: their documents are brought in for the history's sake,
    beside `exports`, which show the present. `finished` names, by request id, the quarters of exports that a run which
    was killed a moment ago had landed or merged.
    """

    exports: tuple[Export, ...]
    recovered: tuple[Export, ...] = ()
    finished: Mapping[str, str] = field(default_factory=dict)

    @property
    def to_ask(self) -> int:
        """How many exports Clari will be asked for."""
        return sum(export.left_behind is None for export in self.exports)


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


def take_up(warehouse: Warehouse, runs: Runs, fresh: Plan, *, run_id: str, now: datetime) -> Plan:
    """The plan, less what is done already, with what dead runs have left at Clari.

    The newest that was left behind takes the place of asking anew, unless its figures would be of another half-day;
    whatever is older is recovered. All of it belongs to this run from now on. The warehouse's lock keeps two runs that
    begin at once from taking up the same.
    """
    exports: list[Export] = []
    recovered: list[Export] = []
    finished: dict[str, str] = {}
    with warehouse.session() as connection:
        killed = runs.killed()
        for export in fresh.exports:
            found = [
                row
                for row in ledger.begun(connection, not_before=now - _QUOTA_WINDOW, **request_columns(export.request))
                if row["run_id"] in killed or (row["state"] in _AT_CLARI and not runs.is_alive(row["run_id"]))
            ]
            newest, *_ = [*found, None]
            if newest is None or not _is_as_good_as_new(newest, now):
                exports.append(export)
            elif newest["state"] in _AT_CLARI:
                exports.append(_continued(connection, newest, export.request, run_id))
            else:
                ledger.taken_up(connection, newest["request_id"], run_id)
                finished[newest["request_id"]] = export.quarter_id
            recovered += [
                _continued(connection, row, export.request, run_id)
                for row in found
                if row["state"] in _AT_CLARI and not (row is newest and _is_as_good_as_new(row, now))
            ]
    for other in killed:
        runs.forget(other)
    return Plan(tuple(exports), tuple(recovered), finished)


def _is_as_good_as_new(row: Record, now: datetime) -> bool:
    age: timedelta = now - row["submitted_at"]
    return age < (_JUST_MERGED if row["state"] in {"LOADED", "REFUSED"} else _STILL_CURRENT)


def _continued(connection: Connection, row: Record, request: ExportRequest, run_id: str) -> Export:
    ledger.taken_up(connection, row["request_id"], run_id)
    return Export(
        request_id=row["request_id"],
        request=request,
        attempt=row["attempt"],
        left_behind=LeftBehind(row["job_id"], row["submitted_at"]),
    )


def afford(plan: Plan, limits: Limits) -> tuple[set[str], set[str]]:
    """Request ids of the exports that the quota has room for, and of those that it has not: the last of the plan."""
    asked = [export.request_id for export in plan.exports if export.left_behind is None]
    left = limits.available_monthly_quota
    room = len(asked) if left is None else max(left, 0)
    return set(asked[:room]), set(asked[room:])
