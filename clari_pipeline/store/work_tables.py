"""Temporary tables of a session, for servers on which they have to exist before a transaction begins.

Their columns are found by running the statements of `sql/` once in DuckDB, on empty tables.
"""

from collections import defaultdict
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from clari_pipeline.core.queries import names
from clari_pipeline.documents.contract import CONTRACT
from clari_pipeline.documents.rows import LISTS
from clari_pipeline.store.merging import STAGED
from clari_pipeline.store.product_rows import raw_schema
from clari_pipeline.warehouse.catalogue import is_view, tables
from clari_pipeline.warehouse.session import run_in_duckdb, runs_in_process

Columns = tuple[tuple[str, str], ...]

# In an order in which each statement finds the tables that it reads.
_CREATING = (
    "documents/stage_user",
    "documents/stage_period",
    "documents/stage_contract",
    "merge/entry_change",
    "merge/forecast_entry_history",
    "merge/forecast_user_sighting",
    "verify/keep_quarter",
    "verify/keep_people",
    "marts/forecast_call_begin",
    "marts/rules_begin",
    "marts/quota_field",
    "marts/measure_field",
    "marts/forecast_week",
    "marts/person_shown",
    "marts/weekly_orphans",
    "marts/backfilled_begin",
    "marts/week_person",
)


@cache
def work_tables() -> dict[str, Columns]:
    """Columns by table, each as name and DuckDB's type: staging tables, and tables kept between statements."""
    nulls: defaultdict[str, Any] = defaultdict(lambda: None)
    with duckdb.connect() as connection:
        for name in ("schema/clari", *(f"schema/{table}" for table in tables()), "documents/stage_begin"):
            run_in_duckdb(connection, name, nulls)
        for name, columns in LISTS.items():
            connection.register(name, pa.table({column: pa.array([], pa.string()) for column in columns}))
        connection.register("raw_contract", CONTRACT.empty_table())
        stored = [table for table in tables() if not is_view(table)]
        for table in stored:  # of whichever product
            if f"raw_{table}" not in LISTS:
                connection.register(f"raw_{table}", raw_schema(connection, table).empty_table())
        staging = [name for name in names("products") if runs_in_process(name) and name.endswith(("_begin", "_end"))]
        for name in (*_CREATING, *staging):
            run_in_duckdb(connection, name, nulls)
        found = connection.execute(
            "select table_name, column_name, data_type from duckdb_columns() where table_name in "
            "(select table_name from duckdb_tables() where temporary "
            "and (not starts_with(table_name, 'stage_') or list_contains($staged, table_name))) "
            "order by table_name, column_index",
            {"staged": [*STAGED, *(f"stage_{table}" for table in stored)]},
        ).fetchall()
    made: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for table, column, kind in found:
        made[table].append((column, kind))
    return {table: tuple(columns) for table, columns in made.items()}
