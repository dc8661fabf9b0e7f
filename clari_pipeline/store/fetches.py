"""The ledger of the products beside the forecast, `product_fetch`: what `export_job` is for forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from clari_pipeline.store.ledger import in_order
from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record, row, rows, run


def submitting(session: Session, *, submitted_at: datetime, **columns: Any) -> datetime:
    """Write a fetch down before Clari is asked for it: the newest of its product, whatever time it is; as of when."""
    nothing = dict.fromkeys(("window_from", "window_to", "gap_from", "gap_to"))
    last = row(session, "products/last_submitted", product=columns["product"])["submitted_at"]
    at = in_order(submitted_at, last)
    run(session, "products/submitting", **nothing | columns, submitted_at=at)
    return at


def submitted(session: Session, request_id: str, *, job_id: str, at: datetime | None, is_adopted: bool) -> None:
    """Clari has accepted the export, at that moment if it is known, or a job was found that may be it."""
    run(session, "products/submitted", request_id=request_id, job_id=job_id, submitted_at=at, is_adopted=is_adopted)


def counted(session: Session, request_id: str, *, polls: int, retries: int, slot_seconds: Decimal) -> None:
    """Add so many polls, retried calls, and seconds waited for a free slot."""
    run(session, "ledger/fetch_counted", request_id=request_id, polls=polls, retries=retries, slot_seconds=slot_seconds)


def ended(session: Session, request_id: str, *, exported_at: datetime | None, **columns: Any) -> None:
    """The job has ended at Clari. Where it has no start, it is as of its submission, newer than those before it."""
    if exported_at is None:
        known = row(session, "ledger/fetch_exported_before", request_id=request_id)
        exported_at = in_order(known["submitted_at"], known["exported_before"])
    run(session, "ledger/fetch_ended", request_id=request_id, exported_at=exported_at, **columns)


def landed(session: Session, request_id: str, **columns: Any) -> None:
    """The document is safe on disk."""
    run(session, "products/landed", request_id=request_id, **columns)


def failed(session: Session, request_id: str, **columns: Any) -> None:
    """No document came; `state` is FAILED, TIMED_OUT or CANCELLED."""
    run(session, "ledger/fetch_failed", request_id=request_id, **{"clari_status": None} | columns)


def deferred(session: Session, request_id: str, *, error: str, error_kind: str) -> None:
    """Clari cannot be asked now; the state stays, and the next run goes on with it."""
    run(session, "ledger/fetch_deferred", request_id=request_id, error=error, error_kind=error_kind)


def refused(session: Session, request_id: str, *, rows_exported: int | None, error: str) -> None:
    """A document came and is not good enough."""
    run(session, "products/refused", request_id=request_id, rows_exported=rows_exported, error=error)


def loaded(session: Session, request_id: str, **columns: Any) -> None:
    """The document's records are in the tables."""
    run(session, "products/loaded", request_id=request_id, **columns)


def reassign(session: Session, request_id: str, run_id: str) -> None:
    """Reassign a fetch that another run left behind to the run that goes on with it."""
    run(session, "ledger/fetch_reassigned", request_id=request_id, run_id=run_id)


def restore(session: Session, manifest: Mapping[str, Any], **result: Any) -> None:
    """Restore the row of a landed document from its manifest, unless the ledger has it."""
    run(session, "products/restored", **manifest, **result)


def fetch(session: Session, request_id: str) -> Record:
    """One fetch's row."""
    return row(session, "ledger/fetch_by_request", request_id=request_id)


def is_known(session: Session, request_id: str) -> bool:
    """Whether the ledger has a row for this fetch."""
    return bool(rows(session, "ledger/fetch_by_request", request_id=request_id))


def unfinished(session: Session, product: str) -> list[Record]:
    """Fetches that were begun, and of which no document has landed, the newest first."""
    return rows(session, "products/unfinished", product=product)


def waiting(session: Session, product: str) -> list[str]:
    """Request ids of the documents that wait to be merged, the oldest first."""
    return [found["request_id"] for found in rows(session, "products/waiting", product=product)]


def landings(session: Session, product: str) -> list[str]:
    """Request ids of all landed documents, in the order in which they are merged."""
    return [found["request_id"] for found in rows(session, "products/landings", product=product)]


def is_late(session: Session, fetch: Record) -> bool:
    """Whether a newer document of its product is merged already."""
    which = {"product": fetch["product"], "exported_at": fetch["exported_at"]}
    return bool(row(session, "products/later_loaded", **which)["later"])


def reached(session: Session, product: str) -> datetime | None:
    """Until when records have been fetched; None where none ever were."""
    found: datetime | None = row(session, "products/reached", product=product)["reached"]
    return found


def windows(session: Session, product: str) -> list[Record]:
    """Each window that was asked for: whether it came whole, was cut off, or neither is known of it."""
    return rows(session, "products/windows", product=product)


def forecasts_since(session: Session, since: datetime) -> int:
    """How many exports of forecasts Clari has counted since then."""
    return int(row(session, "products/forecasts_since", since=since)["exports"])


def refused_within(session: Session, fetch: Mapping[str, Any]) -> int:
    """How many landed documents of a fetch's gap were refused."""
    which = {name: fetch[name] for name in ("product", "gap_from", "gap_to")}
    return int(row(session, "products/refused_within", **which)["refused"])


def newest_event(session: Session) -> datetime | None:
    """When the newest audit event happened that is in the tables."""
    found: datetime | None = row(session, "products/newest_event")["newest"]
    return found


def opportunity_ids(session: Session) -> list[str]:
    """The opportunities that any activity was ever mapped to."""
    return [found["opportunity_id"] for found in rows(session, "products/opportunity_ids")]


def known_jobs(session: Session) -> set[str]:
    """Clari's ids of every job that is ours already."""
    return {found["job_id"] for found in rows(session, "ledger/fetch_known_jobs")}


def of_run(session: Session, run_id: str, product: str) -> list[Record]:
    """One sync's fetches of a product, those reassigned to it included; without attempts that were retried."""
    found = rows(session, "products/of_run", run_id=run_id, product=product)
    last = {(one["window_from"], one["window_to"]): one["attempt"] for one in found}
    return [one for one in found if one["landing_path"] or one["attempt"] == last[one["window_from"], one["window_to"]]]


def status(session: Session) -> list[Record]:
    """Each product: its newest fetch, and what the tables are as of."""
    return rows(session, "products/status")


def gaps(session: Session) -> list[Record]:
    """Stretches of time, `gap_from` to `gap_to`, of which a product's records can no longer be had."""
    return rows(session, "products/gaps")
