"""Column schemas for Dagster's catalogue, read from the tables' own definitions in `sql/schema/`."""

from functools import cache

import dagster as dg

from clari_pipeline.warehouse.duckdb.engine import describe_tables


def table_schema(table: str) -> dg.TableSchema:
    """Names, types and descriptions of a table's columns."""
    return _schemas()[table]


@cache
def _schemas() -> dict[str, dg.TableSchema]:
    return {
        table: dg.TableSchema([dg.TableColumn(name, type=kind, description=comment) for name, kind, comment in columns])
        for table, columns in describe_tables().items()
    }
