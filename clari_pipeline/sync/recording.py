"""Persist each export event in the ledger before the next step runs; manifests of landed documents."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from clari_pipeline.clari import (
    Adopted,
    Answered,
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
from clari_pipeline.clari.models import ActivityRequest
from clari_pipeline.core.runbook import AlertKind
from clari_pipeline.store import alert_rows
from clari_pipeline.store import ledger as ledgers
from clari_pipeline.store.ledger import EXPORTS, FETCHES, Ledger, quota_read, types_asked
from clari_pipeline.store.ledger_rows import ExportRow, FetchRow, LedgerRow
from clari_pipeline.sync.context import StartedBy
from clari_pipeline.sync.events import Deferred, Event, Failed, Landed, QuotaRead
from clari_pipeline.sync.products.windows import midnight
from clari_pipeline.warehouse.session import Session, Warehouse

_PERSISTED = (Submitting, Submitted, Adopted, Answered, TypesRefused, Completed, Landed, Failed, Deferred)


class Recorder:
    """Writes the events of one run's exports, of forecasts or of one product, to their ledger, and reads it."""

    def __init__(
        self, warehouse: Warehouse, run_id: str, product: str | None = None, *, started_by: StartedBy | None = None
    ) -> None:
        self._warehouse = warehouse
        self._started_by = started_by
        self._run_id = run_id
        self._product = product
        self._ledger: Ledger[ExportRow] | Ledger[FetchRow] = EXPORTS if product is None else FETCHES
        self._retries = Counter[str]()
        self._polls = Counter[str]()
        self._slot_waits: defaultdict[str, Decimal] = defaultdict(Decimal)

    def __call__(self, event: Event) -> None:
        """Persist one event. Retries, polls and slot waits are counted, and written with the next other event."""
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
            case _ if isinstance(event, _PERSISTED):
                with self._warehouse.session() as session:
                    self._write(session, event)
                    self._write_counts(session, event.request_id)
            case _:
                pass

    def has_job(self, request_id: str) -> bool:
        """Whether the ledger knows the export's job at Clari."""
        with self._warehouse.session() as session:
            row = self._ledger.find(session, request_id)
        return row is not None and row.job_id is not None

    def export(self, request_id: str) -> ExportRow | None:
        """The export's row; None where it is gone."""
        with self._warehouse.session() as session:
            return EXPORTS.find(session, request_id)

    def has_current_call(self, base_url: str) -> bool | None:
        """Whether the organisation has the call without a job, by the warehouse; None before Clari was first asked."""
        with self._warehouse.session() as session:
            return ledgers.has_current_call(session, base_url)

    def note_current_call(self, base_url: str, at: datetime, *, has_it: bool) -> None:
        """Remember whether the organisation has the call without a job; nothing is written where that is known."""
        with self._warehouse.session() as session:
            if ledgers.has_current_call(session, base_url) is not has_it:
                ledgers.note_current_call(session, base_url, has_it=has_it, at=at)

    def known_jobs(self) -> set[str]:
        """Ids of all jobs at Clari that a ledger row has already, of forecasts and of other products."""
        with self._warehouse.session() as session:
            return EXPORTS.known_jobs(session) | FETCHES.known_jobs(session)

    def manifest(self, request_id: str, landed_at: datetime) -> dict[str, Any]:
        """What is kept beside the document of an export that lands now: it lands without, where its row is gone."""
        with self._warehouse.session() as session:
            row = self._ledger.find(session, request_id)
        if row is None:
            return {}
        if isinstance(row, FetchRow):
            row = replace(row, answer_count=1)
        return manifest_of(replace(row, landed_at=landed_at))

    def _write(self, session: Session, event: ExportEvent) -> None:
        ledger, request_id = self._ledger, event.request_id
        match event:
            case Submitting():
                self._insert_if_missing(session, event)
                if self._product is None:
                    types_asked(session, request_id, types=event.request.types, refused=())
            case Submitted():
                ledger.submitted(session, request_id, job_id=event.job_id, at=event.at, is_adopted=False)
            case Adopted():
                ledger.submitted(session, request_id, job_id=event.job_id, at=event.started_at, is_adopted=True)
            case Answered():
                waited = Decimal(str(round(event.wait_seconds, 3)))
                ledgers.answered(session, request_id, job_id=event.job_id, as_of=event.as_of, wait_seconds=waited)
            case TypesRefused():
                types_asked(session, request_id, types=event.types_left, refused=event.types)
            case Completed(job=job):
                ledger.ended(
                    session,
                    request_id,
                    clari_status=job.status,
                    completed_at=job.end_time,
                    exported_at=job.start_time,
                    wait_seconds=Decimal(str(round(event.wait_seconds, 3))),
                    rows_truncated=job.is_truncated,
                )
            case Landed():
                ledger.landed(
                    session,
                    request_id,
                    landed_at=event.at,
                    answer_count=1,
                    result_bytes=event.size,
                    result_sha256=event.sha256,
                    landing_path=event.landing_path,
                )
            case Failed():
                self._insert_if_missing(session, event)  # it may have failed before `Submitting`
                ledger.failed(
                    session,
                    request_id,
                    state=event.state,
                    clari_status=event.clari_status,
                    error=event.error,
                    error_kind=event.error_kind,
                )
            case Deferred():
                ledger.deferred(session, request_id, error=event.error, error_kind=event.error_kind)

    def _write_counts(self, session: Session, request_id: str) -> None:
        """Add the polls, the retries and the seconds of waiting for a slot since the last persisted event."""
        polls, retries = self._polls.pop(request_id, 0), self._retries.pop(request_id, 0)
        slot_seconds = self._slot_waits.pop(request_id, Decimal(0))
        if polls or retries or slot_seconds:
            self._ledger.counted(session, request_id, polls=polls, retries=retries, slot_seconds=slot_seconds)

    def _insert_if_missing(self, session: Session, event: Submitting | Failed) -> None:
        if self._ledger.find(session, event.request_id) is None:
            self._ledger.submitting(
                session,
                request_id=event.request_id,
                run_id=self._run_id,
                **request_columns(event.request),
                attempt=event.attempt,
                submitted_at=event.at,
                started_by=self._started_by,
            )


def _write_quota(session: Session, event: QuotaRead, run_id: str) -> None:
    quota_read(session, run_id=run_id, read_at=event.at, **columns_of(event.limits))


def columns_of(limits: Limits) -> dict[str, int | None]:
    """Clari's limits as columns of `export_quota`."""
    return {
        "monthly_quota": limits.monthly_quota,
        "available_monthly_quota": limits.available_monthly_quota,
        "concurrent_limit": limits.concurrent_limit,
        "available_concurrent_limit": limits.available_concurrent_limit,
        "running_jobs": len(limits.running_job_ids),
        "submitted_jobs": len(limits.submitted_job_ids),
    }


def _alert_of_low_quota(session: Session, event: QuotaRead, run_id: str) -> None:
    """Write the alert `quota_low` to the outbox; its key allows one a day (UTC)."""
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


def request_columns(request: ExportRequest | ActivityRequest) -> dict[str, Any]:
    """A request as columns of its ledger: `export_job`, or `product_fetch` for activity."""
    if isinstance(request, ActivityRequest):
        days = {"window_from": midnight(request.first_day), "window_to": midnight(request.last_day)}
        return {"product": request.forecast_id, **days, "gap_from": None, "gap_to": None}
    return {
        "forecast_id": request.forecast_id,
        "quarter_id": request.time_period,
        "types_to_export": ",".join(sorted(request.types)),
        "scope_id": request.scope_id,
        "currency": request.currency,
        "export_format": request.export_format.value,
        "include_historical": request.include_historical,
        "source": request.source.value,
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
    "source",
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


_IN_MANIFEST_OF_FETCH = (
    "request_id",
    "job_id",
    "run_id",
    "product",
    "window_from",
    "window_to",
    "gap_from",
    "gap_to",
    "clari_status",
    "attempt",
    "submitted_at",
    "completed_at",
    "landed_at",
    "exported_at",
    "answer_count",
    "poll_count",
    "retry_count",
    "wait_seconds",
    "slot_wait_seconds",
    "rows_truncated",
    "is_adopted",
)


def manifest_of(row: LedgerRow) -> dict[str, Any]:
    """The manifest kept beside a document, from which its ledger row can be restored. Times as ISO 8601."""
    names = _IN_MANIFEST_OF_FETCH if isinstance(row, FetchRow) else _IN_MANIFEST
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | bool | None) else str(value)


def fetch_of(manifest: Mapping[str, Any], **document: Any) -> FetchRow:
    """The `product_fetch` row restored from a manifest, with these columns of the landed file."""
    return FetchRow(
        state="LANDED", **{name: _typed(name, manifest.get(name)) for name in _IN_MANIFEST_OF_FETCH}, **document
    )


def _typed(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name.endswith("_at") or name.startswith(("window_", "gap_")):
        return datetime.fromisoformat(value).astimezone(UTC)
    return Decimal(str(value)) if name.endswith("_seconds") else value
