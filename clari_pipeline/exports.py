"""The first half of the spine: exports are asked for, waited for and landed, all quarters at once.

An `ExportDesk` runs them in an event loop of its own; whoever merges asks it, quarter after quarter, for what has
come. Every step is in the ledger before the next one is taken.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from clari_pipeline.clari import (
    Adopted,
    AuthFailed,
    ClariClient,
    ClariError,
    ClariUnreachable,
    Completed,
    ExportCancelled,
    Exporter,
    ExportEvent,
    ExportFailed,
    ExportFormat,
    ExportRequest,
    ExportTimedOut,
    Job,
    Landed,
    Observer,
    Submitted,
    Submitting,
)
from clari_pipeline.landing import Landing
from clari_pipeline.periods import Quarter
from clari_pipeline.runs import Runs
from clari_pipeline.settings import Settings
from clari_pipeline.warehouse import ledger
from clari_pipeline.warehouse.connection import Warehouse

_STALE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Where a run that died had got to: `job_id` is None where Clari's answer never arrived."""

    job_id: str | None
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class PlannedExport:
    """One export that a run means to make."""

    request_id: str
    request: ExportRequest
    left_behind: LeftBehind | None = None

    @property
    def quarter_id(self) -> str:
        """The quarter asked for."""
        return self.request.time_period


def plan(settings: Settings, quarters: Iterable[Quarter], forecasts: Sequence[str]) -> list[PlannedExport]:
    """An export for each forecast of each quarter, in the order of the quarters."""
    return [
        PlannedExport(
            uuid.uuid4().hex,
            ExportRequest(
                forecast_id=forecast_id,
                time_period=str(quarter),
                types=settings.types_to_export,
                scope_id=settings.scope_id,
                currency=settings.currency,
                include_historical=settings.include_historical,
                export_format=ExportFormat(settings.export_format),
            ),
        )
        for quarter in quarters
        for forecast_id in dict.fromkeys(forecasts)
    ]


def take_up(
    warehouse: Warehouse, runs: Runs, exports: Iterable[PlannedExport], *, run_id: str, now: datetime
) -> list[PlannedExport]:
    """The plan, with what a run that died has left at Clari in place of asking again for the same.

    What is older than a day is left alone: its figures are.
    """
    planned = []
    with warehouse.session() as connection:
        for export in exports:
            left = [
                row
                for row in ledger.left_behind(connection, **_request_columns(export.request), not_before=now - _STALE)
                if not runs.is_alive(row["run_id"])
            ]
            if not left:
                planned.append(export)
                continue
            row = left[0]
            ledger.taken_up(connection, row["request_id"], run_id)
            planned.append(
                PlannedExport(row["request_id"], export.request, LeftBehind(row["job_id"], row["submitted_at"]))
            )
    return planned


class Ledgered:
    """An observer that writes what happens to an export into the ledger, before the next step is taken."""

    def __init__(self, warehouse: Warehouse, run_id: str, exports: Iterable[PlannedExport]) -> None:
        self._warehouse = warehouse
        self._run_id = run_id
        self._requests = {export.request_id: export.request for export in exports}

    def expect(self, export: PlannedExport) -> None:
        """Events of one more export will come."""
        self._requests[export.request_id] = export.request

    def __call__(self, event: ExportEvent) -> None:
        """Write one event down."""
        match event:
            case Submitting():
                self._submitting(event)
            case Submitted() | Adopted():
                with self._warehouse.session() as connection:
                    ledger.submitted(connection, event.request_id, job_id=event.job_id)
            case Completed(job=job):
                with self._warehouse.session() as connection:
                    ledger.ended(
                        connection,
                        event.request_id,
                        clari_status=job.status,
                        completed_at=job.end_time,
                        exported_at=job.start_time,
                        poll_count=event.poll_count,
                        wait_seconds=round(event.wait_seconds, 3),
                        rows_truncated=job.is_truncated,
                    )
            case _:
                pass

    def _submitting(self, event: Submitting) -> None:
        request = self._requests[event.request_id]
        with self._warehouse.session() as connection:
            if ledger.is_known(connection, event.request_id):
                return
            ledger.submitting(
                connection,
                request_id=event.request_id,
                run_id=self._run_id,
                **_request_columns(request),
                attempt=1,
                submitted_at=event.at,
            )


class ExportDesk:
    """Runs exports in the background, as many at once as Clari leaves free."""

    def __init__(
        self,
        settings: Settings,
        warehouse: Warehouse,
        landing: Landing,
        *,
        run_id: str,
        exports: Sequence[PlannedExport],
        observers: Iterable[Observer] = (),
    ) -> None:
        self._settings = settings
        self._warehouse = warehouse
        self._landing = landing
        self.run_id = run_id
        self._exports = exports
        self._ledgered = Ledgered(warehouse, run_id, exports)
        self._observers: tuple[Observer, ...] = (self._ledgered, *observers)
        self._client = ClariClient(
            base_url=settings.base_url,
            api_key=settings.required_key(),
            auth_scheme=settings.auth_scheme,
            request_timeout_s=settings.request_timeout_s,
        )
        self._results: dict[str, Future[str]] = {export.request_id: Future() for export in exports}
        self._thread = threading.Thread(target=self._run, name="exports", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._all: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and not all(result.done() for result in self._results.values()):
            self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join()

    def take(self, quarter_id: str) -> list[str]:
        """Wait until every export of a quarter has landed or failed; their request ids.

        What came of each stands in the ledger. Raises what is no export's own fault: a warehouse that cannot be
        written, a landing folder that is full.
        """
        return [
            self._results[export.request_id].result() for export in self._exports if export.quarter_id == quarter_id
        ]

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._make_all())

    def _cancel(self) -> None:
        if self._all is not None:
            self._all.cancel()

    async def _make_all(self) -> None:
        self._loop, self._all = asyncio.get_running_loop(), asyncio.current_task()
        try:
            async with self._client as client:
                exporter = Exporter(
                    client,
                    export_timeout_s=self._settings.export_timeout_s,
                    slot_timeout_s=self._settings.slot_timeout_s,
                    poll_interval_s=self._settings.poll_interval_s,
                    max_concurrent=self._settings.max_concurrent_exports,
                    known_jobs=self._known_jobs,
                    observe=self._observe,
                )
                await asyncio.gather(*(self._make(client, exporter, export) for export in self._exports))
        finally:
            for result in self._results.values():
                if not result.done():
                    result.set_exception(RuntimeError("the run was stopped before this export had ended"))

    async def _make(self, client: ClariClient, exporter: Exporter, export: PlannedExport) -> None:
        result = self._results[export.request_id]
        try:
            result.set_result(await self._landed(client, exporter, export))
        except Exception as error:  # noqa: BLE001 - whoever takes the result is told
            result.set_exception(error)

    async def _landed(self, client: ClariClient, exporter: Exporter, export: PlannedExport) -> str:
        """Export and land; the request id under which the ledger says what came of it.

        What was left behind and cannot be gone on with (Clari has forgotten the job, say) is asked for anew.
        """
        try:
            await self._land(client, export, await self._finished(exporter, export))
        except ClariError as error:
            self._note_failure(export, error)
            if export.left_behind is None or isinstance(error, AuthFailed | ClariUnreachable):
                return export.request_id
            anew = PlannedExport(uuid.uuid4().hex, export.request)
            self._ledgered.expect(anew)
            return await self._landed(client, exporter, anew)
        return export.request_id

    @staticmethod
    async def _finished(exporter: Exporter, export: PlannedExport) -> Job:
        if export.left_behind is None:
            return await exporter.export(export.request, request_id=export.request_id)
        return await exporter.resume(
            export.request,
            request_id=export.request_id,
            job_id=export.left_behind.job_id,
            asked_at=export.left_behind.asked_at,
        )

    async def _land(self, client: ClariClient, export: PlannedExport, job: Job) -> None:
        writer = self._landing.writer()
        try:
            await client.download(job.job_id, writer)
            with self._warehouse.session() as connection:
                row = ledger.export(connection, export.request_id)
            landed_at = datetime.now(UTC)
            document = writer.keep(
                forecast_id=export.request.forecast_id,
                time_period=export.request.time_period,
                job_id=job.job_id,
                facts=manifest_of(row | {"landed_at": landed_at}),
            )
        except BaseException:
            writer.discard()
            raise
        with self._warehouse.session() as connection:
            ledger.landed(
                connection,
                export.request_id,
                landed_at=landed_at,
                result_bytes=document.size,
                result_sha256=document.sha256,
                landing_path=self._landing.path_of(document),
            )
        self._observe(Landed(request_id=export.request_id, at=landed_at, size=document.size))

    def _note_failure(self, export: PlannedExport, error: ClariError) -> None:
        match error:
            case ExportTimedOut():
                state = "TIMED_OUT"
            case ExportCancelled():
                state = "CANCELLED"
            case _:
                state = "FAILED"
        status = error.job.status if isinstance(error, ExportFailed) and error.job is not None else None
        with self._warehouse.session() as connection:
            if not ledger.is_known(connection, export.request_id):
                self._ledgered(Submitting(request_id=export.request_id, at=datetime.now(UTC)))
            ledger.failed(connection, export.request_id, state=state, clari_status=status, error=str(error))

    def _known_jobs(self) -> set[str]:
        with self._warehouse.session() as connection:
            return ledger.known_jobs(connection)

    def _observe(self, event: ExportEvent) -> None:
        for observer in self._observers:
            observer(event)


def _request_columns(request: ExportRequest) -> dict[str, Any]:
    """A request as the ledger writes it."""
    return {
        "forecast_id": request.forecast_id,
        "quarter_id": request.time_period,
        "types_to_export": ",".join(sorted(request.types)),
        "scope_id": request.scope_id,
        "currency": request.currency,
        "export_format": request.export_format.value,
        "include_historical": request.include_historical,
    }


_IN_MANIFEST = (
    "request_id",
    "job_id",
    "run_id",
    "forecast_id",
    "time_period_id",
    "types_to_export",
    "scope_id",
    "currency",
    "export_format",
    "include_historical",
    "clari_status",
    "attempt",
    "submitted_at",
    "completed_at",
    "landed_at",
    "exported_at",
    "poll_count",
    "wait_seconds",
    "rows_truncated",
)


def manifest_of(row: dict[str, Any]) -> dict[str, Any]:
    """What is kept beside a document: all that the ledger needs to know it again. Times as ISO 8601."""
    return {
        name: row[name].isoformat() if isinstance(row[name], datetime) else _plain(row[name]) for name in _IN_MANIFEST
    }


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | bool | None) else str(value)
