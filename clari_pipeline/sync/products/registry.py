"""The products by name."""

from __future__ import annotations

from collections.abc import Mapping

from clari_pipeline.sync.products.activity import Activity
from clari_pipeline.sync.products.audit import Audit
from clari_pipeline.sync.products.limits import LimitsLook
from clari_pipeline.sync.products.opportunity import Opportunity
from clari_pipeline.sync.products.spec import Product

PRODUCTS: Mapping[str, Product] = {
    product.name: product for product in (LimitsLook(), Audit(), Activity(), Opportunity())
}
