"""What every statement of `sql/` keeps to."""

import pytest
import sqlglot
from sqlglot import exp

from clari_pipeline.core.queries import text_for, text_of
from tests.helpers.runnable import runnable


@pytest.mark.parametrize("engine", ["duckdb", "postgres", "snowflake"])
def test_inserts_name_their_columns(engine: str) -> None:
    """A column that a later release adds to a table moves no value into another one."""
    for name in runnable():
        text = text_of(name) if engine == "duckdb" else text_for(name, engine)
        for statement in sqlglot.parse(text or "", dialect=engine):
            inserts = statement.find_all(exp.Insert) if statement else ()
            by_position = [one for one in inserts if not isinstance(one.this, exp.Schema | exp.Tuple)]
            assert [one.sql() for one in by_position if not one.args.get("by_name")] == [], name
