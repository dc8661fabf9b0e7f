"""The ledger's hook: what happens to an export is written down before the next step is taken."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from clari_pipeline.clari import (
    Adopted,
    Completed,
    ExportEvent,
    ExportRequest,
    Limits,
    Polled,
    Retried,
    Submitted,
    Submitting,
    TypesRefused,
    Waited,
)
from clari_pipeline.core.runbook import AlertKind
from clari_pipeline.store import alert_rows, ledger
from clari_pipeline.sync.events import Deferred, Event, Failed, Landed, QuotaRead
from clari_pipeline.warehouse.session import Session, Warehouse
from clari_pipeline.warehouse.statements import Record

_WRITTEN_DOWN = (Submitting, Submitted, Adopted, TypesRefused, Completed, Landed, Failed, Deferred)


class Recorder:
    """Writes the exports of one run into the ledger, and reads them there."""

    def __init__(self, warehouse: Warehouse, run_id: str) -> None:
        self._warehouse = warehouse
        self._run_id = run_id
        self._retries = Counter[str]()
        self._polls = Counter[str]()
        self._slot_waits: defaultdict[str, Decimal] = defaultdict(Decimal)

    def __call__(self, event: Event) -> None:
        """Write one event down; what is only counted waits for the next step."""
        match event:
            case Retried():
                self._retries[event.request_id] += 1
            case Polled():
                self._polls[event.request_id] += 1
            case Waited(reason="slot"):
                self._slot_waits[event.request_id] += Decimal(str(round(event.seconds, 3)))
            case QuotaRead():
                with self._warehouse.session() as session:
                    _write_quota(session, event, self._run_id)
                    if event.is_low:
                        _alert_of_low_quota(session, event, self._run_id)
            case _ if isinstance(event, _WRITTEN_DOWN):
                with self._warehouse.session() as session:
                    self._write(session, event)
                    self._write_counts(session, event.request_id)
            case _:
                pass

    def row(self, request_id: str) -> Record:
        """The export's row in the ledger; empty where it has none yet."""
        with self._warehouse.session() as session:
            return ledger.export(session, request_id) if ledger.is_known(session, request_id) else {}

    def known_jobs(self) -> set[str]:
        """Clari's ids of every job that is ours already."""
        with self._warehouse.session() as session:
            return ledger.known_jobs(session)

    def manifest(self, row: Record) -> dict[str, Any]:
        """What is kept beside the document of an export."""
        return manifest_of(row)

    def _write(self, session: Session, event: ExportEvent) -> None:
        match event:
            case Submitting():
                self._submitting(session, event)
                ledger.types_asked(session, event.request_id, types=event.request.types, refused=())
            case Submitted():
                ledger.submitted(session, event.request_id, job_id=event.job_id, at=event.at)
            case Adopted():
                ledger.submitted(session, event.request_id, job_id=event.job_id, at=event.started_at)
            case TypesRefused():
                ledger.types_asked(session, event.request_id, types=event.types_left, refused=event.types)
            case Completed(job=job):
                ledger.ended(
                    session,
                    event.request_id,
                    clari_status=job.status,
                    completed_at=job.end_time,
                    exported_at=job.start_time,
                    wait_seconds=round(event.wait_seconds, 3),
                    rows_truncated=job.is_truncated,
                )
            case Landed():
                ledger.landed(
                    session,
                    event.request_id,
                    landed_at=event.at,
                    result_bytes=event.size,
                    result_sha256=event.sha256,
                    landing_path=event.landing_path,
                )
            case Failed():
                self._failed(session, event)
            case Deferred():
                ledger.deferred(session, event.request_id, error=event.error, error_kind=event.error_kind)

    def _write_counts(self, session: Session, request_id: str) -> None:
        """How often was polled and retried, and how long was waited for a slot, since the last step."""
        polls, retries = self._polls.pop(request_id, 0), self._retries.pop(request_id, 0)
        slot_seconds = self._slot_waits.pop(request_id, Decimal(0))
        if polls or retries or slot_seconds:
            self._count(session, request_id, polls=polls, retries=retries, slot_seconds=slot_seconds)

    def _count(self, session: Session, request_id: str, *, polls: int, retries: int, slot_seconds: Decimal) -> None:
        ledger.counted(session, request_id, polls=polls, retries=retries, slot_seconds=slot_seconds)

    def _failed(self, session: Session, event: Failed) -> None:
        self._submitting(session, event)  # it may have failed before Clari was asked
        ledger.failed(
            session,
            event.request_id,
            state=event.state,
            clari_status=event.clari_status,
            error=event.error,
            error_kind=event.error_kind,
        )

    def _submitting(self, session: Session, event: Submitting | Failed) -> None:
        if ledger.is_known(session, event.request_id):
            return
        ledger.submitting(
            session,
            request_id=event.request_id,
            run_id=self._run_id,
            **request_columns(event.request),
            attempt=event.attempt,
            submitted_at=event.at,
        )


def _write_quota(session: Session, event: QuotaRead, run_id: str) -> None:
    ledger.quota_read(session, run_id=run_id, read_at=event.at, **columns_of(event.limits))


def columns_of(limits: Limits) -> dict[str, int | None]:
    """Clari's limits as `export_quota` has them."""
    return {
        "monthly_quota": limits.monthly_quota,
        "available_monthly_quota": limits.available_monthly_quota,
        "concurrent_limit": limits.concurrent_limit,
        "available_concurrent_limit": limits.available_concurrent_limit,
        "running_jobs": len(limits.running_job_ids),
        "submitted_jobs": len(limits.submitted_job_ids),
    }


def _alert_of_low_quota(session: Session, event: QuotaRead, run_id: str) -> None:
    """`quota_low`, once a day (UTC)."""
    limits = event.limits
    alert_rows.raised(
        session,
        alert_key=f"quota_low {event.at.astimezone(UTC):%Y-%m-%d}",
        alert_class="quota_low",
        kind=AlertKind.QUOTA_LOW.value,
        severity="P2",
        title=f"Clari export quota is low: {limits.available_monthly_quota} of {limits.monthly_quota} left",
        body=event.sentence,
        created_at=event.at,
        run_id=run_id,
        detail=limits.model_dump(include={"monthly_quota", "available_monthly_quota", "concurrent_limit"}),
    )


def request_columns(request: ExportRequest) -> dict[str, Any]:
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
    "types_refused",
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
    return plainly({name: row.get(name) for name in _IN_MANIFEST})


def plainly(row: dict[str, Any]) -> dict[str, Any]:
    """Columns as JSON has them."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | bool | None) else str(value)
