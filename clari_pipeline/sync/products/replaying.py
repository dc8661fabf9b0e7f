"""Rebuild the products' tables from landed documents, without a call to Clari."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clari_pipeline.core.runbook import Problem
from clari_pipeline.store import ledger
from clari_pipeline.store.ledger import FETCHES
from clari_pipeline.sync.context import Context
from clari_pipeline.sync.products.loading import ProductLoader
from clari_pipeline.sync.products.registry import PRODUCTS
from clari_pipeline.sync.products.results import ProductResult, verdicts_of


@dataclass(frozen=True, slots=True)
class ReplayedProducts:
    """Result of each product; failures of documents that were not refused before; damaged documents."""

    products: Sequence[ProductResult] = ()
    failures: Sequence[Problem] = ()
    damaged: Sequence[Problem] = ()


def replay_products(context: Context) -> ReplayedProducts:
    """Rebuild the tables of every product with a landed document, whether `CLARI_PRODUCTS` names it or not."""
    done: list[ProductResult] = []
    damaged: list[Problem] = []
    with context.warehouse.session() as session:
        refused = ledger.refused_requests(session)
    for name, product in PRODUCTS.items():
        loader = ProductLoader(context, product)
        damaged += loader.restore_ledger()
        if request_ids := loader.rebuild():
            with context.warehouse.session() as session:
                found = [FETCHES.row(session, request_id) for request_id in request_ids]
                done.append(ProductResult(name, found, verdicts_of(session, found)))
    failures = [
        failure
        for product in done
        for failure in replace(
            product, fetches=[one for one in product.fetches if one.request_id not in refused]
        ).failures
    ]
    return ReplayedProducts(done, failures, list(dict.fromkeys(damaged)))
