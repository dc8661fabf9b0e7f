"""What the ledger of the products beside the forecast, `product_fetch`, says of a product as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from clari_pipeline.warehouse.session import Session
from clari_pipeline.warehouse.statements import Record, row, rows


def unfinished(session: Session, product: str) -> list[Record]:
    """Fetches that were begun, and of which no document has landed, the newest first."""
    return rows(session, "products/unfinished", product=product)


def waiting(session: Session, product: str) -> list[str]:
    """Request ids of the documents that wait to be merged, the oldest first."""
    return [found["request_id"] for found in rows(session, "products/waiting", product=product)]


def landed(session: Session, product: str) -> list[Record]:
    """All fetches of which a document has landed, in the order in which they are merged."""
    return rows(session, "products/landed", product=product)


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
