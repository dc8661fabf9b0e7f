"""The products by name."""

from __future__ import annotations

from collections.abc import Mapping

from clari_pipeline.products.activity import Activity
from clari_pipeline.products.audit import Audit
from clari_pipeline.products.limits import LimitsLook
from clari_pipeline.products.opportunity import Opportunity
from clari_pipeline.products.product import Product

PRODUCTS: Mapping[str, Product] = {
    product.name: product for product in (LimitsLook(), Audit(), Activity(), Opportunity())
}
