"""The plan of a run: exports to request, exports of orphaned runs to resume, exports that are landed or merged already.

A run that was killed is continued: its requested exports are resumed in the state in which they are, and what it
merged within the last hour is not requested a second time. Clari counts every export, and cannot repeat an old one.
A run is alive while it holds the lock on its file, which the operating system releases when the process dies.

Two runs at once make one export of each request: a run locks the requests that it makes (`Claims`). One that finds a
request locked waits, and uses the export of the other run, or continues it where that was killed.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path

from filelock import AsyncFileLock, BaseAsyncFileLock, FileLock, Timeout

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
_JUDGED = ("LOADED", "REFUSED")
_FROM_ELSEWHERE = "document-"  # how the job id of `replay --document` begins


@dataclass(frozen=True, slots=True)
class Plan:
    """The exports of one run.

    `recovered` are exports that an older run left at Clari: their documents are downloaded for the history, in addition
    to `exports`, which show the present. `beside` are planned exports of which another living run makes or has made the
    same: this run makes them only if that one brings nothing. `finished` maps request ids to quarters: exports that an
    orphaned run landed, merged or had refused. `killed` are the ids of orphaned runs that were not ended by Ctrl-C;
    `living` those of the other runs that were alive when this one was planned, `at` that moment.
    """

    exports: tuple[Export, ...]
    recovered: tuple[Export, ...] = ()
    beside: tuple[Export, ...] = ()
    finished: Mapping[str, str] = field(default_factory=dict)
    killed: frozenset[str] = frozenset()
    living: frozenset[str] = frozenset()
    at: datetime | None = None

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

    def living(self) -> set[str]:
        """Ids of the runs whose lock file a process holds."""
        return {file.stem for file in self.folder.glob("*.lock") if self.is_alive(file.stem)}

    def was_stopped(self, run_id: str) -> bool:
        """Whether it was ended by Ctrl-C."""
        return self._file(run_id).with_suffix(".stopped").exists()

    def forget(self, run_ids: Iterable[str]) -> None:
        """Delete the files of orphaned runs, except of those whose lock a process holds."""
        for file in map(self._file, run_ids):
            with suppress(Timeout), FileLock(file, timeout=0):
                file.unlink(missing_ok=True)
                file.with_suffix(".stopped").unlink(missing_ok=True)

    def _file(self, run_id: str) -> Path:
        return self.folder / f"{path_segment(run_id)}.lock"  # made a safe file name: a restored ledger may hold any id


class Claims:
    """One run's exclusive locks on the requests that it makes, a file each, so that no other run makes the same.

    They are taken under the planning lock, and held until the request's last export in this run has landed or failed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[ExportRequest, FileLock] = {}
        self._exports = Counter[ExportRequest]()

    def take(self, request: ExportRequest) -> bool:
        """Lock a request for one more export of this run; false, without waiting, where another run has it locked."""
        if request not in self._locks:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._file(request), timeout=0, thread_local=False)
            try:
                lock.acquire()
            except Timeout:
                return False
            self._locks[request] = lock
        self._exports[request] += 1
        return True

    def done(self, request: ExportRequest) -> None:
        """An export has landed or failed: release its request after the last. Nothing where another run has it."""
        if request not in self._locks:
            return
        self._exports[request] -= 1
        if not self._exports[request]:
            self._locks.pop(request).release()

    def release(self) -> None:
        """Release all: the run ends."""
        while self._locks:
            self._locks.popitem()[1].release()

    def waiting(self, request: ExportRequest) -> BaseAsyncFileLock:
        """The same lock for a run that has to wait for it."""
        return AsyncFileLock(self._file(request), thread_local=False)

    def _file(self, request: ExportRequest) -> Path:
        return self._folder / f"{hashlib.sha256(repr(request).encode()).hexdigest()[:24]}.lock"


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


def resume(
    warehouse: Warehouse, runs: Runs, fresh: Plan, *, claims: Claims, run_id: str, now: datetime, everywhere: bool
) -> Plan:
    """Lock the planned requests, replace exports with those that orphaned runs left of them, add what else they left.

    A planned export is replaced by the newest ledger row of the same request, if that is younger than 12 hours (one
    hour, once judged). Other exports at Clari are recovered, of quarters outside the plan only if `everywhere`; other
    landed ones, older than that, are merged only if `everywhere`. All of them are reassigned to this run. What a living
    run makes, or has made, is left to it (`Plan.beside`, `continue_beside`). The caller holds the planning lock, so
    that no other run resumes the same.

    Requests without a job of orphaned runs are noted as failed: Clari has queued nothing for them. A plan without jobs
    resumes nothing.
    """
    exports: list[Export] = []
    beside: list[Export] = []
    finished: dict[str, str] = {}
    with warehouse.session() as session:
        killed, living = runs.killed(), runs.living() - {run_id}
        at_clari = ledger.at_clari(session)
        for row in at_clari:
            if row.is_current and not runs.is_alive(row.run_id):
                stopped = "its run was stopped before the answer came: run clari-pipeline sync --current again"
                ledger.EXPORTS.failed(session, row.request_id, error=stopped, error_kind=None)
        if any(export.request.source is Source.CURRENT for export in fresh.exports):
            return fresh
        known = [*(row for row in at_clari if not row.is_current), *ledger.landed_by(session, killed | living)]
        # Documents that wait to be merged are those of any run, living ones included.
        orphaned = [row for row in known if not runs.is_alive(row.run_id)]
        made = [row for row in known if row.run_id in living and row.state not in _AT_CLARI and _is_current(row, now)]
        made_beside = set(map(request_of, made))
        remaining = {row.request_id: row for row in sorted(orphaned, key=attrgetter("submitted_at"), reverse=True)}

        def reassign(row: ExportRow) -> None:
            ledger.EXPORTS.reassign(session, row.request_id, run_id)

        for export in fresh.exports:
            if not claims.take(export.request):
                beside.append(export)
                continue
            newest = next((row for row in remaining.values() if request_of(row) == export.request), None)
            if newest is None or not _is_current(newest, now):
                (beside if export.request in made_beside else exports).append(export)
                continue
            reassign(remaining.pop(newest.request_id))
            if newest.state in _AT_CLARI:
                exports.append(_resumed(newest))
            else:
                claims.done(export.request)  # others see that a living run has it
                finished[newest.request_id] = export.quarter_id
        for export in beside:
            claims.done(export.request)
        quarters = {export.quarter_id for export in fresh.exports}
        recovered = [
            row
            for row in remaining.values()
            if row.state in _AT_CLARI and (everywhere or row.time_period_id in quarters)
        ]
        for row in recovered:
            claims.take(request_of(row))
            reassign(row)
        for row in remaining.values():
            if everywhere and row.state == "LANDED" and not _is_current(row, now):
                reassign(row)
                finished[row.request_id] = row.time_period_id
        # Their lock files stay: a sync of the quarter may still resume what is young enough.
        waiting = {row.run_id for row in remaining.values() if row.state not in _AT_CLARI and _is_current(row, now)}
        crashed = frozenset(other for other in killed if not runs.was_stopped(other))
        runs.forget(killed - waiting)
    history = tuple(_resumed(row, is_history=True) for row in recovered)
    return Plan(tuple(exports), history, tuple(beside), finished, crashed, frozenset(living), now)


def continue_beside(
    warehouse: Warehouse, runs: Runs, export: Export, *, run_id: str, plan: Plan, now: datetime
) -> Export | ExportRow:
    """What to do about an export of which another run made the same, once that run has released the request.

    A row: its document has landed. It stays the other run's, or is reassigned to this one where that was killed. Else
    an export to make: the one that a killed run left at Clari, reassigned, or `export` itself. What landed before this
    run's plan was made counts only if its run was alive then. The caller holds the request's lock.
    """
    with warehouse.session() as session, session.lock("planning"):
        states = (*_AT_CLARI, "LANDED", *_JUDGED)
        known = ledger.exports_of_quarter(session, export.request.forecast_id, export.quarter_id, states)
        asked = (row for row in known if row.export_format and not (row.job_id or "").startswith(_FROM_ELSEWHERE))
        same = (row for row in asked if request_of(row) == export.request and _is_current(row, now))
        newest = max(same, key=attrgetter("submitted_at", "attempt"), default=None)
        if newest is None:
            return export
        is_at_clari = newest.state in _AT_CLARI
        is_left = not runs.is_alive(newest.run_id) if is_at_clari else newest.run_id in runs.killed()
        is_later = plan.at is not None and newest.landed_at is not None and newest.landed_at >= plan.at
        is_beside = is_later or newest.run_id in plan.living
        if not (is_left if is_at_clari else is_beside):
            return export
        if is_left:
            ledger.EXPORTS.reassign(session, newest.request_id, run_id)
            newest = replace(newest, run_id=run_id)
        return _resumed(newest) if is_at_clari else newest


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
    is_judged = row.state in _JUDGED
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
