"""What happens to an export of activity, written down in the products' ledger before the next step is taken."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from clari_pipeline.clari import Adopted, Completed, ExportEvent, Submitted, Submitting
from clari_pipeline.clari.models import ActivityRequest
from clari_pipeline.store import fetches, ledger
from clari_pipeline.sync.events import Deferred, Failed, Landed
from clari_pipeline.sync.products.windows import midnight
from clari_pipeline.sync.recording import Recorder, plainly
from clari_pipeline.warehouse.session import Session, Warehouse
from clari_pipeline.warehouse.statements import Record

_IN_MANIFEST = (
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


class FetchRecorder(Recorder):
    """Writes the exports of one product and run into `product_fetch`."""

    def __init__(self, warehouse: Warehouse, run_id: str, product: str) -> None:
        super().__init__(warehouse, run_id)
        self._product = product

    def row(self, request_id: str) -> Record:
        """The fetch's row in the ledger; empty where it has none yet."""
        with self._warehouse.session() as session:
            return fetches.fetch(session, request_id) if fetches.is_known(session, request_id) else {}

    def known_jobs(self) -> set[str]:
        """Clari's ids of every job that is ours already, forecasts' included."""
        with self._warehouse.session() as session:
            return fetches.known_jobs(session) | ledger.known_jobs(session)

    def manifest(self, row: Record) -> dict[str, Any]:
        """What is kept beside the document."""
        return manifest_of(row | {"answer_count": 1})

    def _write(self, session: Session, event: ExportEvent) -> None:
        match event:
            case Submitting():
                self._asking(session, event)
            case Submitted():
                fetches.submitted(session, event.request_id, job_id=event.job_id, at=event.at, is_adopted=False)
            case Adopted():
                fetches.submitted(session, event.request_id, job_id=event.job_id, at=event.started_at, is_adopted=True)
            case Completed(job=job):
                fetches.ended(
                    session,
                    event.request_id,
                    clari_status=job.status,
                    completed_at=job.end_time,
                    exported_at=job.start_time,
                    wait_seconds=Decimal(str(round(event.wait_seconds, 3))),
                    rows_truncated=job.is_truncated,
                )
            case Landed():
                fetches.landed(
                    session,
                    event.request_id,
                    landed_at=event.at,
                    answer_count=1,
                    result_bytes=event.size,
                    result_sha256=event.sha256,
                    landing_path=event.landing_path,
                )
            case Failed():
                self._asking(session, event)  # it may have failed before Clari was asked
                fetches.failed(
                    session,
                    event.request_id,
                    state=event.state,
                    clari_status=event.clari_status,
                    error=event.error,
                    error_kind=event.error_kind,
                )
            case Deferred():
                fetches.deferred(session, event.request_id, error=event.error, error_kind=event.error_kind)

    def _count(self, session: Session, request_id: str, *, polls: int, retries: int, slot_seconds: Decimal) -> None:
        fetches.counted(session, request_id, polls=polls, retries=retries, slot_seconds=slot_seconds)

    def _asking(self, session: Session, event: Submitting | Failed) -> None:
        if fetches.is_known(session, event.request_id):
            return
        assert isinstance(event.request, ActivityRequest)
        fetches.submitting(
            session,
            request_id=event.request_id,
            run_id=self._run_id,
            product=self._product,
            window_from=midnight(event.request.first_day),
            window_to=midnight(event.request.last_day),
            attempt=event.attempt,
            submitted_at=event.at,
        )


def manifest_of(row: Record) -> dict[str, Any]:
    """What is kept beside a document: all that the ledger needs to know it again. Times as ISO 8601."""
    return plainly({name: row.get(name) for name in _IN_MANIFEST})


def row_of(manifest: dict[str, Any]) -> Record:
    """A manifest as the ledger has it."""
    return {name: _typed(name, manifest.get(name)) for name in _IN_MANIFEST}


def _typed(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name.endswith("_at") or name.startswith(("window_", "gap_")):
        return datetime.fromisoformat(value).astimezone(UTC)
    return Decimal(str(value)) if name.endswith("_seconds") else value
