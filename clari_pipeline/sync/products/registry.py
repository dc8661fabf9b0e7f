"""The products by name, in the order of a sync.

`config.settings.PRODUCTS` lists them, and each is the `SPEC` of the module of its name.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module

from clari_pipeline.config import settings
from clari_pipeline.sync.products.spec import ExportedProduct, ProductSpec


def _spec(name: str) -> ProductSpec:
    spec: ProductSpec = import_module(f"{__package__}.{name}").SPEC
    return spec


PRODUCTS: Mapping[str, ProductSpec] = {name: _spec(name) for name in settings.PRODUCTS if name != "forecast"}


def is_exported(name: str) -> bool:
    """Whether it is exported by jobs, which use the same quota and slots as forecasts."""
    return isinstance(PRODUCTS.get(name), ExportedProduct)


def unmet(names: Sequence[str]) -> list[ProductSpec]:
    """The specs of those of these products that need a product that is not among them."""
    return [spec for name in names if (spec := PRODUCTS[name]).needs not in {None, *names}]
