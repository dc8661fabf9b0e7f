"""The statements of `sql/` as another engine speaks them.

They are written for DuckDB and carried by sqlglot. Where an engine truly needs its own, that stands in for the common
one (`core/queries.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.transforms import eliminate_qualify

from clari_pipeline.core.queries import text_for, text_of

Engine = Literal["postgres", "snowflake"]

# Functions that the engine's own sql/schema/clari.<engine>.sql makes, in place of DuckDB's macros.
_FUNCTIONS = frozenset({"fraction"})
# Of Snowflake's reserved words those that the statements use for names.
_RESERVED_IN_SNOWFLAKE = frozenset({"rows"})
AS_JSON = "__json"  # ends the name of a parameter that is a list, and is to be written as JSON
_PARAMETER = re.compile("\0(\\w+)\0")
_OWN_PARAMETER = re.compile(r"\$(\w+)")
_OWN_END = re.compile(r";\n(?:\n|\Z)")


@cache
def carried(name: str, engine: Engine) -> tuple[str, ...]:
    """The statements of a query of `sql/`, each with its parameters as `%(name)s`.

    Raises sqlglot's `UnsupportedError` for what the engine does not have.
    """
    own = text_for(name, engine)
    if own is not None:
        found = [part.strip() for part in _OWN_END.split(own)]
        return tuple(_OWN_PARAMETER.sub(r"%(\1)s", part.replace("%", "%%")) for part in found if part)
    return tuple(
        _PARAMETER.sub(
            r"%(\1)s", written.sql(engine, unsupported_level=ErrorLevel.RAISE, comments=False).replace("%", "%%")
        )
        for statement in sqlglot.parse(text_of(name), read="duckdb")
        if isinstance(statement, exp.Expression)
        for written in _carry(statement, engine)
    )


def _carry(statement: exp.Expression, engine: Engine) -> Iterator[exp.Expr]:
    if isinstance(statement, exp.Create) and statement.kind == "MACRO":
        return
    for named in list(statement.find_all(exp.Parameter, exp.Placeholder)):
        named.replace(exp.Var(this=f"\0{named.name}\0"))
    for call in statement.find_all(exp.Anonymous):
        if call.name.lower() in _FUNCTIONS and not isinstance(call.parent, exp.Dot):
            call.set("this", f"clari.{call.name.lower()}")
    if engine == "postgres":
        yield from _for_postgres(statement)
    else:
        yield from _for_snowflake(statement)


def _for_postgres(statement: exp.Expression) -> Iterator[exp.Expr]:
    statement = statement.transform(_without_qualify)
    # Text is compared and ordered byte by byte, as DuckDB does, whatever the database's locale; but every letter has
    # its small one.
    for column in statement.find_all(exp.ColumnDef):
        if column.kind is not None and column.kind.is_type(*exp.DataType.TEXT_TYPES):
            collation = exp.ColumnConstraint(kind=exp.CollateColumnConstraint(this=exp.to_identifier("C", quoted=True)))
            column.set("constraints", [collation, *column.args.get("constraints", [])])
    for lower in statement.find_all(exp.Lower):
        lower.set("this", exp.Collate(this=lower.this, expression=exp.to_identifier("und-x-icu", quoted=True)))
    if isinstance(statement, exp.Create) and statement.kind == "TABLE" and statement.args.get("replace"):
        name = statement.find(exp.Table)
        assert name is not None
        yield sqlglot.parse_one(f"drop table if exists pg_temp.{name.name}", read="postgres")
        statement.set("replace", False)
        yield statement
        if statement.expression is not None:
            yield _counted(name)
    else:
        yield statement
        into = statement.find(exp.Table) if isinstance(statement, exp.Insert) else None
        if into is not None and not into.db:
            yield _counted(into)


def _counted(temporary: exp.Table) -> exp.Expr:
    """Nothing else counts a temporary table, and a plan for one of unknown size is a bad one."""
    return exp.Command(this="ANALYZE", expression=f" pg_temp.{temporary.name}")


def _without_qualify(node: exp.Expression) -> exp.Expression:
    """QUALIFY as a condition on a subquery, the order outside; of a star the window's own column comes out too."""
    if not isinstance(node, exp.Select) or not node.args.get("qualify"):
        return node
    order, limit = node.args.get("order"), node.args.get("limit")
    node.set("order", None)
    node.set("limit", None)
    outer = eliminate_qualify(node)
    assert isinstance(outer, exp.Select)
    stars = [column for column in outer.expressions if column.is_star]
    if stars:
        outer.set("expressions", [exp.Star()])
    outer.set("order", order)
    outer.set("limit", limit)
    return outer


def _for_snowflake(statement: exp.Expression) -> Iterator[exp.Expr]:
    for part in statement.find_all(exp.CTE):
        part.set("materialized", None)
    for name in statement.find_all(exp.Identifier):
        if name.name.lower() in _RESERVED_IN_SNOWFLAKE:
            name.replace(exp.to_identifier(name.name.upper(), quoted=True))
    statement = statement.transform(_semi_structured)
    if isinstance(statement, exp.Insert) and isinstance(statement.expression, exp.Values):
        # VALUES takes no function there, and each of ours has one row.
        (only,) = statement.expression.expressions
        statement.set("expression", exp.select(*only.expressions))
    if is_work_table(statement):
        # A definition would end the transaction around it: the table is there already, and is filled anew.
        made = statement.find(exp.Table)
        assert made is not None
        yield exp.delete(made.name)
        if statement.expression is not None:
            yield exp.insert(statement.expression, made.name)
    else:
        yield statement


def is_work_table(statement: exp.Expression) -> bool:
    """Whether it makes a table of this session alone."""
    return (
        isinstance(statement, exp.Create)
        and statement.kind == "TABLE"
        and statement.find(exp.TemporaryProperty) is not None
    )


def _semi_structured(node: exp.Expression) -> exp.Expression:
    """Lists as parameters, and JSON: `x in (%(names)s)`, `parse_json(%(weeks__json)s)`."""
    if isinstance(node, exp.ArrayContains) and isinstance(node.this, exp.Var):
        return exp.In(this=node.expression, expressions=[node.this])
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Var):
        if node.to.is_type(exp.DataType.Type.JSON):
            return exp.ParseJSON(this=node.this)
        if node.to.is_type(exp.DataType.Type.ARRAY, exp.DataType.Type.LIST):
            written = exp.Var(this=f"{node.this.name[:-1]}{AS_JSON}\0")
            return exp.cast(exp.ParseJSON(this=written), exp.DataType(this=exp.DataType.Type.ARRAY))
    if isinstance(node, exp.DataType) and node.is_type(exp.DataType.Type.ARRAY, exp.DataType.Type.LIST):
        return exp.DataType(this=exp.DataType.Type.ARRAY)
    return node
