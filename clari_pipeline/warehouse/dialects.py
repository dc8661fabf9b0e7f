"""Transpile the statements of `sql/`, which are written for DuckDB, to another engine's dialect, by sqlglot.

Where an engine needs a statement of its own, `sql/<name>.<engine>.sql` replaces the common one (`core/queries.py`).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

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
    """The engine's statements for one of DuckDB's; its parameters are `Var`s, the name between two NUL characters."""


@cache
def transpiled(name: str, dialect: Dialect) -> tuple[str, ...]:
    """Transpile a query of `sql/`: its statements, each with its parameters as `%(name)s`.

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
        for written in dialect.adapt(_with_marked_parameters(statement))
    )


def condition_of(text: str) -> str:
    """A user's condition in DuckDB's SQL, generated from its parse tree, without comments.

    Raises `ValueError` where it cannot be parsed, is more than one condition, or has a parameter.
    """
    return _parsed_condition(text).sql("duckdb", comments=False)


def condition_in(dialect: Dialect, text: str) -> str:
    """The same in an engine's dialect. Raises `ValueError`, too, for what the engine does not have."""
    selected = exp.select("1").where(_parsed_condition(text))
    (adapted,) = dialect.adapt(selected)
    found = adapted.find(exp.Where)
    assert found is not None
    try:
        return str(found.this.sql(dialect.name, unsupported_level=ErrorLevel.RAISE, comments=False))
    except SqlglotError as error:
        raise ValueError(f"{dialect.name} does not have it: {_first_line(error)}") from None


def _parsed_condition(text: str) -> exp.Condition:
    try:
        parsed = sqlglot.parse_one(text, into=exp.Condition, dialect="duckdb")
    except SqlglotError as error:
        raise ValueError(f"it is no single condition of SQL: {_first_line(error)}") from None
    if parsed.find(exp.Parameter, exp.Placeholder) is not None:
        raise ValueError("it has a parameter, and nothing is put in its place")
    return parsed


def _first_line(error: SqlglotError) -> str:
    of_parser = [str(one["description"]) for one in getattr(error, "errors", ()) if one.get("description")]
    return (of_parser or str(error).splitlines() or [""])[0]


def _with_marked_parameters(statement: exp.Expression) -> exp.Expression:
    """Replace parameters by variables that sqlglot does not transpile."""
    for named in list(statement.find_all(exp.Parameter, exp.Placeholder)):
        named.replace(exp.Var(this=f"\0{named.name}\0"))
    return statement
