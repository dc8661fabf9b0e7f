"""What every statement of `sql/` keeps to."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from clari_pipeline.core.project import project_file

_SQL = project_file("sql")


@pytest.mark.parametrize("file", sorted(_SQL.rglob("*.sql")), ids=lambda file: str(file.relative_to(_SQL)))
def test_inserts_name_their_columns(file: Path) -> None:
    """A column that a later release adds to a table moves no value into another one."""
    engine = file.stem.partition(".")[2] or "duckdb"
    inserts = [
        insert
        for statement in sqlglot.parse(file.read_text(), dialect=engine)
        if statement
        for insert in statement.find_all(exp.Insert)
    ]
    assert [insert.sql() for insert in inserts if not isinstance(insert.this, exp.Schema | exp.Tuple)] == []
