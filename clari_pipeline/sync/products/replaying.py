"""The products' tables made again from what has landed, without a call to Clari."""

from __future__ import annotations

from dataclasses import replace

from clari_pipeline.store import fetches, ledger
from clari_pipeline.sync.pipeline import Pipeline
from clari_pipeline.sync.products.brought import Brought, verdicts_of
from clari_pipeline.sync.products.loading import ProductLoader
from clari_pipeline.sync.products.registry import PRODUCTS


def replay_products(pipeline: Pipeline) -> tuple[list[Brought], list[str]]:
    """Fill the tables of every product of which a document has landed, whatever `CLARI_PRODUCTS` names now.

    Returns what came of each, and a line for each document that is refused and was not before.
    """
    done: list[Brought] = []
    with pipeline.warehouse.session() as session:
        refused = ledger.refused_requests(session)
    for name, product in PRODUCTS.items():
        if request_ids := ProductLoader(pipeline, product).rebuild():
            with pipeline.warehouse.session() as session:
                found = [fetches.fetch(session, request_id) for request_id in request_ids]
                done.append(Brought(name, found, verdicts_of(session, found)))
    return done, [
        line
        for product in done
        for line in replace(
            product, fetches=[one for one in product.fetches if one["request_id"] not in refused]
        ).failures
    ]
