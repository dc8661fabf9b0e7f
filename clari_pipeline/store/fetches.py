"""Queries on `product_fetch`, the ledger of the products beside the forecast, by product."""

from dataclasses import asdict, dataclass
from datetime import datetime

from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.warehouse.session import Session, row, rows, rows_as


@dataclass(frozen=True, slots=True)
class AskedWindow:
    """A window of time that was fetched: `is_whole` if all of its records came, `is_too_long` if they are too many.

    Neither is set where that is not known. `is_final`: the document itself came and was refused; after a timeout or
    `ResultTooLarge` even a single day may still succeed.
    """

    window_from: datetime
    window_to: datetime
    exported_at: datetime
    is_whole: bool
    is_too_long: bool
    is_final: bool


@dataclass(frozen=True, slots=True)
class ProductStatus:
    """A product: `state` and `error` of its newest fetch; `exported_at`, `loaded_at` and count of the merged `rows`."""

    product: str
    state: str
    error: str | None
    exported_at: datetime | None
    loaded_at: datetime | None
    rows: int | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time whose records Clari no longer delivers; `reason` is `expired` or `cut_off`."""

    product: str
    gap_from: datetime
    gap_to: datetime
    reason: str


def unfinished(session: Session, product: str) -> list[FetchRow]:
    """Fetches that were begun and have neither landed nor failed, the newest first."""
    return rows_as(FetchRow, session, "products/unfinished", product=product)


def waiting(session: Session, product: str) -> list[str]:
    """Request ids of landed documents that are not merged yet, the oldest first."""
    return [found["request_id"] for found in rows(session, "products/waiting", product=product)]


def landed(session: Session, product: str) -> list[FetchRow]:
    """All fetches of which a document has landed, in the order in which they are merged."""
    return rows_as(FetchRow, session, "products/landed", product=product)


def is_late(session: Session, fetch: FetchRow) -> bool:
    """Whether a newer document of its product is merged already."""
    return bool(row(session, "products/later_loaded", **asdict(fetch))["later"])


def reached(session: Session, product: str) -> datetime | None:
    """The watermark: end of the newest window that has landed, adopted jobs aside; None where nothing ever has."""
    found: datetime | None = row(session, "products/reached", product=product)["reached"]
    return found


def windows(session: Session, product: str) -> list[AskedWindow]:
    """Each fetch of a window, but those that Clari answered with other days."""
    return rows_as(AskedWindow, session, "products/windows", product=product)


def forecasts_since(session: Session, since: datetime) -> int:
    """How many exports of forecasts have been accepted since then: they count against Clari's quota."""
    return int(row(session, "products/forecasts_since", since=since)["exports"])


def refused_within(session: Session, fetch: FetchRow) -> int:
    """How many landed documents were refused whose window overlaps the gap of a fetch (`gap_from` to `gap_to`)."""
    return int(row(session, "products/refused_within", **asdict(fetch))["refused"])


def newest_event(session: Session) -> datetime | None:
    """Moment of the newest audit event in the tables; None without any."""
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
    """Gaps by product, the oldest first."""
    return rows_as(Gap, session, "products/gaps")
