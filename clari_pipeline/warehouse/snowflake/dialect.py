"""Adapt DuckDB's statements to Snowflake, beyond what sqlglot transpiles."""

from collections.abc import Iterator

from sqlglot import exp

from clari_pipeline.warehouse.dialects import Dialect

AS_JSON = "__json"  # ends the name of a parameter that is a list, and is to be written as JSON
_RESERVED = frozenset({"rows"})  # Snowflake's reserved words that the statements use as names


def _adapt(statement: exp.Expression) -> Iterator[exp.Expr]:
    for part in statement.find_all(exp.CTE):
        part.set("materialized", None)
    for name in statement.find_all(exp.Identifier):
        if name.name.lower() in _RESERVED:
            name.replace(exp.to_identifier(name.name.upper(), quoted=True))
    statement = statement.transform(_semi_structured)
    if isinstance(statement, exp.Insert) and isinstance(statement.expression, exp.Values):
        # Snowflake's VALUES takes no function calls; each of ours has one row.
        (only,) = statement.expression.expressions
        statement.set("expression", exp.select(*only.expressions))
    if _is_work_table(statement):
        # DDL commits the transaction around it: the table exists already, and is emptied and filled.
        made = statement.find(exp.Table)
        assert made is not None
        yield exp.delete(made.name)
        if statement.expression is not None:
            yield exp.insert(statement.expression, made.name)
    else:
        yield statement


def _is_work_table(statement: exp.Expression) -> bool:
    """Whether it creates a temporary table."""
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


SNOWFLAKE = Dialect("snowflake", _adapt)
