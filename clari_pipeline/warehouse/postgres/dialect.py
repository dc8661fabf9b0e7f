"""Adapt DuckDB's statements to PostgreSQL, beyond what sqlglot transpiles."""

from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.transforms import eliminate_qualify

from clari_pipeline.warehouse.dialects import Dialect


def _adapt(statement: exp.Expression) -> Iterator[exp.Expr]:
    statement = statement.transform(_without_qualify)
    # Collation C compares text byte by byte, as DuckDB does, whatever the database's locale; lower() needs ICU's, to
    # know the small letters of every script.
    for column in statement.find_all(exp.ColumnDef):
        if column.kind is not None and column.kind.is_type(*exp.DataType.TEXT_TYPES):
            collation = exp.ColumnConstraint(kind=exp.CollateColumnConstraint(this=exp.to_identifier("C", quoted=True)))
            column.set("constraints", [collation, *column.args.get("constraints", [])])
    for lower in statement.find_all(exp.Lower):
        lower.set("this", exp.Collate(this=lower.this, expression=exp.to_identifier("und-x-icu", quoted=True)))
    for hashed in statement.find_all(exp.Anonymous):
        if hashed.name.lower() == "hash":
            values = exp.Anonymous(this="row", expressions=hashed.expressions)
            hashed.replace(exp.Anonymous(this="hash_record_extended", expressions=[values, exp.Literal.number(0)]))
    if isinstance(statement, exp.Create) and statement.kind == "TABLE" and statement.args.get("replace"):
        name = statement.find(exp.Table)
        assert name is not None
        yield sqlglot.parse_one(f"drop table if exists pg_temp.{name.name}", read="postgres")
        statement.set("replace", False)
        yield statement
        if statement.expression is not None:
            yield _analyze(name)
    else:
        yield statement
        into = statement.find(exp.Table) if isinstance(statement, exp.Insert) else None
        if into is not None and not into.db:
            yield _analyze(into)


def _analyze(temporary: exp.Table) -> exp.Expr:
    """ANALYZE for a temporary table, which autovacuum does not visit: without it joins are planned badly."""
    return exp.Command(this="ANALYZE", expression=f" pg_temp.{temporary.name}")


def _without_qualify(node: exp.Expression) -> exp.Expression:
    """QUALIFY as WHERE on a subquery, with ORDER BY and LIMIT outside; `*` then includes the window's own column."""
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


POSTGRES = Dialect("postgres", _adapt)
