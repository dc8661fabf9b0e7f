"""A table of PostgreSQL as a Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from clari_pipeline.warehouse.duck import arrow_schemas

_ROWS_AT_ONCE = 20_000


def save(connection: psycopg.Connection[Any], table: str, file: Path) -> None:
    """Write every row of a table of schema `clari`, a part at a time, typed as DuckDB has it. Within a transaction."""
    schema = arrow_schemas()[table]
    columns = sql.SQL(", ").join(map(sql.Identifier, schema.names))
    wanted = sql.SQL("select {} from clari.{}").format(columns, sql.Identifier(table))
    with connection.cursor(name="saved") as cursor, pq.ParquetWriter(file, schema) as writer:
        cursor.execute(wanted)
        while found := cursor.fetchmany(_ROWS_AT_ONCE):
            by_column = zip(zip(*found, strict=True), schema, strict=True)
            arrays = [pa.array(values, field.type) for values, field in by_column]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
