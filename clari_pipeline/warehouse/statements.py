"""The statements of `sql/`, found by name, run with named parameters."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from clari_pipeline.core.queries import names, text_of
from clari_pipeline.warehouse.session import Answer, Session

Record = dict[str, Any]


def run(session: Session, name: str, **parameters: Any) -> Answer:
    """Run a query of `sql/`, statement after statement; each takes the parameters that it names. The last result."""
    return session.run(name, parameters)


def rows(session: Session, name: str, **parameters: Any) -> list[Record]:
    """What a query answers, a dictionary a row."""
    answer = run(session, name, **parameters)
    columns = [column[0] for column in answer.description or ()]
    return [dict(zip(columns, values, strict=True)) for values in answer.fetchall()]


def row(session: Session, name: str, **parameters: Any) -> Record:
    """The one row that a query answers."""
    (only,) = rows(session, name, **parameters)
    return only


def tables() -> list[str]:
    """The tables of the warehouse, as `sql/schema/` names them, and after them the views, each after what it shows."""
    return sorted(_names(), key=_storey)


def is_view(table: str) -> bool:
    """Whether it shows what tables hold, and holds nothing itself."""
    return "create or replace view" in text_of(f"schema/{table}")


def _names() -> list[str]:
    return [name.removeprefix("schema/") for name in names("schema") if name != "schema/clari"]


@cache
def _storey(table: str) -> int:
    """0 for a table, 1 for a view of tables alone, one more for a view of views."""
    if not is_view(table):
        return 0
    named = set(re.findall(r"\bclari\.(\w+)", text_of(f"schema/{table}"))) & set(_names())
    return 1 + max((_storey(other) for other in named - {table}), default=0)
