"""The tables and views of the warehouse, as `sql/schema/` names them."""

import re
from functools import cache

from clari_pipeline.core.queries import names, text_of


def tables() -> list[str]:
    """The tables of the warehouse, as `sql/schema/` names them, and after them the views, each after what it shows."""
    return sorted(_names(), key=_depth)


def is_view(table: str) -> bool:
    """Whether `sql/schema/` defines it as a view."""
    return "create or replace view" in text_of(f"schema/{table}")


def _names() -> list[str]:
    found = [name.removeprefix("schema/") for name in names("schema") if name != "schema/clari"]
    return [name for name in found if "/" not in name]  # not the statements that stand with a table


@cache
def _depth(table: str) -> int:
    """0 for a table, 1 for a view of tables alone, one more for a view of views."""
    if not is_view(table):
        return 0
    named = set(re.findall(r"\bclari\.(\w+)", text_of(f"schema/{table}"))) & set(_names())
    return 1 + max((_depth(other) for other in named - {table}), default=0)
