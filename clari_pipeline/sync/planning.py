"""The plan of a run: exports to request, exports of orphaned runs to resume, exports that are landed or merged already.

A run that was killed is continued: its requested exports are resumed in the state in which they are, and what it
merged within the last hour is not requested a second time. Clari counts every export, and cannot repeat an old one.
A run is alive while it holds the lock on its file, which the operating system releases when the process dies.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path

from filelock import FileLock, Timeout

from clari_pipeline.clari import Export, ExportFormat, ExportRequest, LeftBehind, Limits, Source
from clari_pipeline.clari.models import path_segment
from clari_pipeline.config.settings import Settings
from clari_pipeline.core.periods import Quarter
from clari_pipeline.store import ledger
from clari_pipeline.store.ledger_rows import ExportRow
from clari_pipeline.warehouse.session import Warehouse

_CURRENT_FOR = timedelta(hours=12)  # of an export that is at Clari, or landed and not judged
_MERGED_CURRENT_FOR = timedelta(hours=1)
_AT_CLARI = ("SUBMITTING", "SUBMITTED")


@dataclass(frozen=True, slots=True)
class Plan:
    """The exports of one run.

    `recovered` are exports that an older run left at Clari: their documents are downloaded for the history, in addition
    to `exports`, which show the present. `finished` maps request ids to quarters: exports that an orphaned run landed,
    merged or had refused. `killed` are the ids of orphaned runs that were not ended by Ctrl-C.
    """

    exports: tuple[Export, ...]
    recovered: tuple[Export, ...] = ()
    finished: Mapping[str, str] = field(default_factory=dict)
    killed: frozenset[str] = frozenset()

    @property
    def recovered_quarters(self) -> list[Quarter]:
        """Quarters of the recovered and the finished exports, the newest first."""
        found = {*(export.quarter_id for export in self.recovered), *self.finished.values()}
        return sorted(map(Quarter.parse, found), reverse=True)

    @property
    def to_request(self) -> int:
        """How many of `exports` may have to be queued: those that need a job, and have none at Clari yet."""
        return sum(
            export.request.source is Source.EXPORT and (export.left_behind is None or export.left_behind.job_id is None)
            for export in self.exports
        )


class Runs:
    """The lock files of the runs of one data folder, `RUN_ID.lock`; `RUN_ID.stopped` marks a run ended by Ctrl-C."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def alive(self, run_id: str) -> Iterator[None]:
        """Hold the run's lock while the context is open. After an exception the file stays: the run is orphaned."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._file(run_id)):
            try:
                yield
            except KeyboardInterrupt:
                self._file(run_id).with_suffix(".stopped").touch()
                raise
            self._file(run_id).unlink(missing_ok=True)  # deleted while locked, so that it never looks orphaned

    def is_alive(self, run_id: str) -> bool:
        """Whether a process holds the run's lock."""
        file = self._file(run_id)
        if not file.exists():
            return False
        try:
            with FileLock(file, timeout=0):
                return False
        except Timeout:
            return True

    def killed(self) -> set[str]:
        """Ids of orphaned runs: no process holds their lock file. Includes those ended by Ctrl-C."""
        return {file.stem for file in self.folder.glob("*.lock") if not self.is_alive(file.stem)}

    def was_stopped(self, run_id: str) -> bool:
        """Whether it was ended by Ctrl-C."""
        return self._file(run_id).with_suffix(".stopped").exists()

    def forget(self, run_id: str) -> None:
        """Delete the files of an orphaned run, unless a process holds its lock."""
        with suppress(Timeout), FileLock(self._file(run_id), timeout=0):
            self._file(run_id).unlink(missing_ok=True)
            self._file(run_id).with_suffix(".stopped").unlink(missing_ok=True)

    def _file(self, run_id: str) -> Path:
        return self.folder / f"{path_segment(run_id)}.lock"  # made a safe file name: a restored ledger may hold any id


def by_urgency(quarters: Iterable[Quarter], *, current: Quarter) -> list[Quarter]:
    """The current quarter first, then past quarters, the newest first, then future ones."""
    known = sorted(set(quarters))
    return [quarter for quarter in reversed(known) if quarter <= current] + [q for q in known if q > current]


def plan(
    settings: Settings, quarters: Iterable[Quarter], forecasts: Sequence[str], *, is_current: bool = False
) -> Plan:
    """An export for each forecast of each quarter, in the order of the quarters; `is_current`: without jobs."""
    requests = (
        ExportRequest(
            forecast_id=forecast_id,
            time_period=str(quarter),
            types=settings.types_to_export,
            scope_id=settings.scope_id,
            currency=settings.currency,
            include_historical=settings.include_historical,
            export_format=ExportFormat(settings.export_format),
        )
        for quarter in quarters
        for forecast_id in dict.fromkeys(forecasts)
    )
    return Plan(tuple(Export.planned(asked.without_job(asked.types) if is_current else asked) for asked in requests))


def resume(warehouse: Warehouse, runs: Runs, fresh: Plan, *, run_id: str, now: datetime, everywhere: bool) -> Plan:
    """Replace planned exports with those that orphaned runs left for the same request, and add what else they left.

    A planned export is replaced by the newest ledger row of the same request, if that is younger than 12 hours (one
    hour, once judged). Other exports at Clari are recovered, of quarters outside the plan only if `everywhere`; other
    landed ones, older than that, are merged only if `everywhere`. All of them are reassigned to this run. The caller
    holds the planning lock, so that no other run resumes the same.

    Requests without a job of orphaned runs are noted as failed: Clari has queued nothing for them. A plan without jobs
    resumes nothing.
    """
    exports: list[Export] = []
    finished: dict[str, str] = {}
    with warehouse.session() as session:
        killed = runs.killed()
        at_clari = ledger.at_clari(session)
        for row in at_clari:
            if row.is_current and not runs.is_alive(row.run_id):
                stopped = "its run was stopped before the answer came: run clari-pipeline sync --current again"
                ledger.EXPORTS.failed(session, row.request_id, error=stopped, error_kind=None)
        if any(export.request.source is Source.CURRENT for export in fresh.exports):
            return fresh
        known = [*(row for row in at_clari if not row.is_current), *ledger.landed_by(session, killed)]
        # Documents that wait to be merged are those of any run, living ones included.
        orphaned = [row for row in known if not runs.is_alive(row.run_id)]
        remaining = {row.request_id: row for row in sorted(orphaned, key=attrgetter("submitted_at"), reverse=True)}

        def reassign(row: ExportRow) -> None:
            ledger.EXPORTS.reassign(session, row.request_id, run_id)

        for export in fresh.exports:
            newest = next((row for row in remaining.values() if request_of(row) == export.request), None)
            if newest is None or not _is_current(newest, now):
                exports.append(export)
                continue
            reassign(remaining.pop(newest.request_id))
            if newest.state in _AT_CLARI:
                exports.append(_resumed(newest))
            else:
                finished[newest.request_id] = export.quarter_id
        quarters = {export.quarter_id for export in fresh.exports}
        recovered = [
            row
            for row in remaining.values()
            if row.state in _AT_CLARI and (everywhere or row.time_period_id in quarters)
        ]
        for row in recovered:
            reassign(row)
        for row in remaining.values():
            if everywhere and row.state == "LANDED" and not _is_current(row, now):
                reassign(row)
                finished[row.request_id] = row.time_period_id
        # Their lock files stay: a sync of the quarter may still resume what is young enough.
        waiting = {row.run_id for row in remaining.values() if row.state not in _AT_CLARI and _is_current(row, now)}
        crashed = frozenset(other for other in killed if not runs.was_stopped(other))
        for other in killed - waiting:
            runs.forget(other)
    history = tuple(_resumed(row, is_history=True) for row in recovered)
    return Plan(tuple(exports), history, finished, crashed)


def request_of(row: ExportRow) -> ExportRequest:
    """The request as it was planned: with the types that Clari refused."""
    types = f"{row.types_to_export or ''},{row.types_refused or ''}".split(",")
    return ExportRequest(
        forecast_id=row.forecast_id,
        time_period=row.time_period_id,
        types=tuple(sorted(filter(None, types))),
        scope_id=row.scope_id,
        currency=row.currency,
        include_historical=bool(row.include_historical),
        export_format=ExportFormat(row.export_format or ""),
        source=Source(row.source),
    )


def _is_current(row: ExportRow, now: datetime) -> bool:
    """Whether it was submitted recently enough to replace a new export: an hour ago once judged, else twelve."""
    is_judged = row.state in {"LOADED", "REFUSED"}
    return now - row.submitted_at < (_MERGED_CURRENT_FOR if is_judged else _CURRENT_FOR)


def _resumed(row: ExportRow, *, is_history: bool = False) -> Export:
    """The export to resume: by its job, where the ledger knows one."""
    return Export(
        request_id=row.request_id,
        request=request_of(row),
        attempt=row.attempt,
        left_behind=LeftBehind(row.job_id, row.submitted_at),
        is_history=is_history,
    )


def beyond_quota(plan: Plan, limits: Limits) -> set[str]:
    """Request ids of the exports that exceed the quota: the last new ones of the plan. Empty if Clari states no quota.

    Resumed exports without a job at Clari may have to be requested, and are counted first.
    """
    fresh = [export.request_id for export in plan.exports if export.left_behind is None]
    left = limits.available_monthly_quota
    if left is None:
        return set()
    return set(fresh[max(left - (plan.to_request - len(fresh)), 0) :])
