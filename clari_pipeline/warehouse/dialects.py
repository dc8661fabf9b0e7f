"""The statements of `sql/` as another engine speaks them.

They are written for DuckDB and carried by sqlglot. Where an engine truly needs its own, the file
`sql/<folder>/<name>.<engine>.sql` stands in for the common one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.transforms import eliminate_qualify

from clari_pipeline.settings import project_file

Engine = Literal["postgres", "snowflake"]

# Functions that the engine's own sql/schema/clari.<engine>.sql makes, in place of DuckDB's macros.
_FUNCTIONS = frozenset({"fraction"})
_PARAMETER = re.compile("\0(\\w+)\0")
_OWN_PARAMETER = re.compile(r"\$(\w+)")
_OWN_END = re.compile(r";\n(?:\n|\Z)")


@cache
def carried(name: str, engine: Engine) -> tuple[str, ...]:
    """The statements of `sql/<name>.sql`, each with its parameters as `%(name)s`.

    Raises sqlglot's `UnsupportedError` for what the engine does not have.
    """
    folder = project_file("sql")
    own = folder / f"{name}.{engine}.sql"
    if own.exists():
        found = [part.strip() for part in _OWN_END.split(own.read_text(encoding="utf-8"))]
        return tuple(_OWN_PARAMETER.sub(r"%(\1)s", part.replace("%", "%%")) for part in found if part)
    text = (folder / f"{name}.sql").read_text(encoding="utf-8")
    return tuple(
        _PARAMETER.sub(
            r"%(\1)s", written.sql(engine, unsupported_level=ErrorLevel.RAISE, comments=False).replace("%", "%%")
        )
        for statement in sqlglot.parse(text, read="duckdb")
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
        yield _for_snowflake(statement)


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


def _for_snowflake(statement: exp.Expression) -> exp.Expression:
    for part in statement.find_all(exp.CTE):
        part.set("materialized", None)
    return statement
