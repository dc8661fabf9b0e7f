"""A new DuckDB file beside what a killed writer has left."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse

_CATALOGUE = (
    "select table_name, column_name, data_type, comment, column_default, is_nullable from duckdb_columns()",
    "select table_name, comment from duckdb_tables()",
    "select view_name, sql, comment from duckdb_views()",
    "select table_name, constraint_text from duckdb_constraints()",
    "select function_name, parameters, macro_definition from duckdb_functions()",
)


def catalogue(file: Path) -> list[list[tuple[Any, ...]]]:
    """Everything that schema `clari` says of its tables, views and macros, and the one row that says who made it."""
    with duckdb.connect(str(file), read_only=True) as connection:
        found = [
            connection.execute(f"{query} where schema_name = 'clari' order by all").fetchall() for query in _CATALOGUE
        ]
        return [*found, connection.execute("from clari.warehouse_version").fetchall()]


def test_a_log_that_lost_its_file_is_not_taken_for_the_new_ones(tmp_path: Path) -> None:
    """A writer was killed, and somebody removed the file alone: the next sync begins with empty tables."""
    file = tmp_path / "warehouse.duckdb"
    DuckWarehouse(file).prepare()
    killed = (
        "import duckdb, os, sys\n"
        "connection = duckdb.connect(sys.argv[1])\n"
        "connection.execute('drop schema clari cascade')\n"
        "os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", killed, str(file)], check=False)
    assert file.with_name("warehouse.duckdb.wal").stat().st_size > 0
    file.unlink()
    DuckWarehouse(file).prepare()
    assert all(catalogue(file))
