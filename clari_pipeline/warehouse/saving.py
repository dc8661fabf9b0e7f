"""A server's table as a Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clari_pipeline.warehouse.duckdb.engine import arrow_schemas

ROWS_AT_ONCE = 20_000


Read = Callable[[Sequence[str]], Iterable[Sequence[tuple[Any, ...]]]]


def save(table: str, file: Path, read: Read) -> None:
    """Write a table of schema `clari`, typed as DuckDB has it; `read` answers columns, some rows at a time."""
    schema = arrow_schemas()[table]
    with pq.ParquetWriter(file, schema) as writer:
        for found in read(schema.names):
            by_column = zip(zip(*found, strict=True), schema, strict=True)
            arrays = [pa.array(values, field.type) for values, field in by_column]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
