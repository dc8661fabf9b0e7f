"""The statements of `sql/` as another engine speaks them.

They are written for DuckDB and carried by sqlglot. Where an engine truly needs its own, that stands in for the common
one (`core/queries.py`).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import sqlglot
from sqlglot import ErrorLevel, exp

from clari_pipeline.core.queries import text_for, text_of

_PARAMETER = re.compile("\0(\\w+)\0")
_OWN_PARAMETER = re.compile(r"\$(\w+)")
_OWN_END = re.compile(r";\n(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine's statements differ beyond what sqlglot does by itself."""

    name: str
    """The engine's, in sqlglot and in the names of its own files."""
    adapt: Callable[[exp.Expression], Iterator[exp.Expr]]
    """The statements that stand in for one of DuckDB's; a parameter in it is a `Var` between two NUL characters."""


@cache
def carried(name: str, dialect: Dialect) -> tuple[str, ...]:
    """The statements of a query of `sql/`, each with its parameters as `%(name)s`.

    Raises sqlglot's `UnsupportedError` for what the engine does not have.
    """
    own = text_for(name, dialect.name)
    if own is not None:
        found = [part.strip() for part in _OWN_END.split(own)]
        return tuple(_OWN_PARAMETER.sub(r"%(\1)s", part.replace("%", "%%")) for part in found if part)
    return tuple(
        _PARAMETER.sub(
            r"%(\1)s", written.sql(dialect.name, unsupported_level=ErrorLevel.RAISE, comments=False).replace("%", "%%")
        )
        for statement in sqlglot.parse(text_of(name), read="duckdb")
        if isinstance(statement, exp.Expression)
        and not (isinstance(statement, exp.Create) and statement.kind == "MACRO")
        for written in dialect.adapt(_with_marked_names(statement))
    )


def _with_marked_names(statement: exp.Expression) -> exp.Expression:
    """Parameters as variables that sqlglot leaves alone."""
    for named in list(statement.find_all(exp.Parameter, exp.Placeholder)):
        named.replace(exp.Var(this=f"\0{named.name}\0"))
    return statement
