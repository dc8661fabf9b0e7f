"""The statements of `sql/`, found by name, run with named parameters."""

import re
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

from clari_pipeline.core.queries import names, text_of
from clari_pipeline.warehouse.session import Answer, Session

Record = dict[str, Any]
_Row = TypeVar("_Row")


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


def rows_as(kind: type[_Row], session: Session, name: str, /, **parameters: Any) -> list[_Row]:
    """What a query answers, a value of this dataclass a row. Raises `LookupError` where a field has no column.

    A column without a field is left out: on a server, a newer release may have added it already.
    """
    answer = run(session, name, **parameters)
    columns = {column[0]: place for place, column in enumerate(answer.description or ())}
    wanted = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # whoever calls it names a dataclass
    if missing := [field for field in wanted if field not in columns]:
        raise LookupError(f"{name} answers no {', '.join(missing)}, as {kind.__name__} has")
    return [kind(**{field: values[columns[field]] for field in wanted}) for values in answer.fetchall()]


def tables() -> list[str]:
    """The tables of the warehouse, as `sql/schema/` names them, and after them the views, each after what it shows."""
    return sorted(_names(), key=_storey)


def is_view(table: str) -> bool:
    """Whether it shows what tables hold, and holds nothing itself."""
    return "create or replace view" in text_of(f"schema/{table}")


def _names() -> list[str]:
    found = [name.removeprefix("schema/") for name in names("schema") if name != "schema/clari"]
    return [name for name in found if "/" not in name]  # not the statements that stand with a table


@cache
def _storey(table: str) -> int:
    """0 for a table, 1 for a view of tables alone, one more for a view of views."""
    if not is_view(table):
        return 0
    named = set(re.findall(r"\bclari\.(\w+)", text_of(f"schema/{table}"))) & set(_names())
    return 1 + max((_storey(other) for other in named - {table}), default=0)
