"""What the ledger of the products beside the forecast, `product_fetch`, says of a product as a whole."""

from dataclasses import asdict, dataclass
from datetime import datetime

from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.warehouse.session import Session, row, rows, rows_as


@dataclass(frozen=True, slots=True)
class AskedWindow:
    """A window that was asked for: its document `is_whole`, or `is_too_long`, or neither is known of it.

    `is_final` is false where even a single day of it may yet come.
    """

    window_from: datetime
    window_to: datetime
    exported_at: datetime
    is_whole: bool
    is_too_long: bool
    is_final: bool


@dataclass(frozen=True, slots=True)
class ProductStatus:
    """A product: how its newest fetch stands, and of what moment and how many the merged `rows` are."""

    product: str
    state: str
    error: str | None
    exported_at: datetime | None
    loaded_at: datetime | None
    rows: int | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time of which a product's records can no longer be had: `expired`, or `cut_off`."""

    product: str
    gap_from: datetime
    gap_to: datetime
    reason: str


def unfinished(session: Session, product: str) -> list[FetchRow]:
    """Fetches that were begun, and of which no document has landed, the newest first."""
    return rows_as(FetchRow, session, "products/unfinished", product=product)


def waiting(session: Session, product: str) -> list[str]:
    """Request ids of the documents that wait to be merged, the oldest first."""
    return [found["request_id"] for found in rows(session, "products/waiting", product=product)]


def landed(session: Session, product: str) -> list[FetchRow]:
    """All fetches of which a document has landed, in the order in which they are merged."""
    return rows_as(FetchRow, session, "products/landed", product=product)


def is_late(session: Session, fetch: FetchRow) -> bool:
    """Whether a newer document of its product is merged already."""
    return bool(row(session, "products/later_loaded", **asdict(fetch))["later"])


def reached(session: Session, product: str) -> datetime | None:
    """Until when records have been fetched; None where none ever were."""
    found: datetime | None = row(session, "products/reached", product=product)["reached"]
    return found


def windows(session: Session, product: str) -> list[AskedWindow]:
    """Each window that was asked for."""
    return rows_as(AskedWindow, session, "products/windows", product=product)


def forecasts_since(session: Session, since: datetime) -> int:
    """How many exports of forecasts Clari has counted since then."""
    return int(row(session, "products/forecasts_since", since=since)["exports"])


def refused_within(session: Session, fetch: FetchRow) -> int:
    """How many landed documents of a fetch's gap were refused."""
    return int(row(session, "products/refused_within", **asdict(fetch))["refused"])


def newest_event(session: Session) -> datetime | None:
    """When the newest audit event happened that is in the tables."""
    found: datetime | None = row(session, "products/newest_event")["newest"]
    return found


def opportunity_ids(session: Session) -> list[str]:
    """The opportunities that any activity was ever mapped to."""
    return [found["opportunity_id"] for found in rows(session, "products/opportunity_ids")]


def of_run(session: Session, run_id: str, product: str) -> list[FetchRow]:
    """One sync's fetches of a product, those reassigned to it included; without attempts that were retried."""
    found = rows_as(FetchRow, session, "products/of_run", run_id=run_id, product=product)
    last = {(one.window_from, one.window_to): one.attempt for one in found}
    return [one for one in found if one.landing_path or one.attempt == last[one.window_from, one.window_to]]


def status(session: Session) -> list[ProductStatus]:
    """Each product that was ever fetched, by name."""
    return rows_as(ProductStatus, session, "products/status")


def gaps(session: Session) -> list[Gap]:
    """What is missing, by product, the oldest first."""
    return rows_as(Gap, session, "products/gaps")
