"""Freshness of the products that `CLARI_PRODUCTS` names, for `/health`, Prometheus and preflight."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from clari_pipeline.store import fetches
from clari_pipeline.sync.products.registry import PRODUCTS
from clari_pipeline.warehouse.session import Session


@dataclass(frozen=True, slots=True)
class ProductFreshness:
    """A product: the state of its newest fetch, None if there is none, and the times (UTC) of its newest merged one."""

    product: str
    state: str | None = None
    exported_at: datetime | None = None
    loaded_at: datetime | None = None

    def is_fresh(self, stale_before: datetime) -> bool:
        """Whether its newest merged document was exported at `stale_before` or later."""
        return self.exported_at is not None and self.exported_at >= stale_before

    def is_well(self, stale_before: datetime) -> bool:
        """Whether it is fresh, or was never fetched yet."""
        return self.state is None or self.is_fresh(stale_before)

    def as_document(self, now: datetime, stale_before: datetime) -> dict[str, Any]:
        """Its JSON object in `/health`."""
        age = None if self.exported_at is None else round((now - self.exported_at).total_seconds() / 3600, 2)
        return {
            "product": self.product,
            "state": self.state,
            "last_success_at": self.loaded_at.isoformat() if self.loaded_at else None,
            "exported_at": self.exported_at.isoformat() if self.exported_at else None,
            "age_hours": age,
            "is_well": self.is_well(stale_before),
        }


def product_freshness(session: Session | None, names: Sequence[str]) -> tuple[ProductFreshness, ...]:
    """Freshness of these products, without those never fetched that have nothing to fetch yet."""
    known = {one.product: one for one in fetches.status(session)} if session is not None and names else {}
    return tuple(
        ProductFreshness(name, known[name].state, known[name].exported_at, known[name].loaded_at)
        if name in known
        else ProductFreshness(name)
        for name in names
        if name in known or session is None or PRODUCTS[name].has_anything_to_fetch(session)
    )


def metrics_of(found: Sequence[ProductFreshness], now: datetime, stale_before: datetime) -> Iterator[Metric]:
    """Gauges for Prometheus, labelled by product; none for no products."""
    if not found:
        return
    labels = ["product"]
    well = GaugeMetricFamily("clari_product_up", "1 if what was merged of the product is not stale.", labels=labels)
    last = GaugeMetricFamily(
        "clari_product_last_success_timestamp_seconds", "When a sync last merged the product.", labels=labels
    )
    age = GaugeMetricFamily(
        "clari_product_age_seconds", "Time since Clari made what was last merged of the product.", labels=labels
    )
    for one in found:
        well.add_metric([one.product], one.is_fresh(stale_before))
        if one.loaded_at is not None:
            last.add_metric([one.product], one.loaded_at.timestamp())
        if one.exported_at is not None:
            age.add_metric([one.product], (now - one.exported_at).total_seconds())
    yield from (well, last, age)
