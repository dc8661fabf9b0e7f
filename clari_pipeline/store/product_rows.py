"""Stage a product's records, and merge them into its tables in one transaction; older rows never replace newer ones.

Its queries are those of `sql/products.sql` whose names begin with the product's, or with one of its tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from clari_pipeline.store.ledger_rows import FetchRow
from clari_pipeline.warehouse.session import Session, row, run, run_in_duckdb

_SET_BY_MERGE = {"in_latest_export", "first_seen_at", "changed_at", "last_seen_at", "request_id"}
_MOMENT = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class Merged:
    """Counts of a merge, in rows of the product's first table; `rows_merged` is counted in it afterwards."""

    rows_staged: int
    rows_inserted: int
    rows_updated: int
    rows_unchanged: int
    rows_merged: int


class Staging:
    """This session's `stage_*` tables of one product, emptied; its records are added as they are read."""

    def __init__(self, session: Session, product: str, tables: Sequence[str]) -> None:
        self._session = session
        self._product = product
        self._tables = tables
        self._records_read = 0
        with self._raw_tables({}):
            run(session, f"products/stage_{product}_begin")

    def take(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        """Add records, by table."""
        with self._raw_tables(records):
            run(self._session, f"products/stage_{self._product}_more")

    def end(self) -> None:
        """Keep, of several records with one key, the one that was read last."""
        run(self._session, f"products/stage_{self._product}_end")

    @contextmanager
    def _raw_tables(self, records: Mapping[str, list[dict[str, Any]]]) -> Iterator[None]:
        """Register these records as the tables `raw_*` while the context is open."""
        for name in self._tables:
            found = [one | {"position": self._records_read + place} for place, one in enumerate(records.get(name, ()))]
            self._session.documents.register(f"raw_{name}", pa.Table.from_pylist(found, schema=_raw_schema(name)))
            self._records_read += len(found)
        yield
        for name in self._tables:
            self._session.documents.unregister(f"raw_{name}")


@cache
def _raw_schema(table: str) -> pa.Schema:
    with duckdb.connect(config={"threads": "1"}) as connection:
        for name in ("schema/clari", f"schema/{table}"):
            run_in_duckdb(connection, name, {})
        return raw_schema(connection, table)


def raw_schema(connection: duckdb.DuckDBPyConnection, table: str) -> pa.Schema:
    """What records of a table are read into: their position in the document, and the columns that no merge sets."""
    columns = connection.table(f"clari.{table}").to_arrow_table().schema
    kinds = {one.name: _MOMENT if pa.types.is_timestamp(one.type) else one.type for one in columns}
    return pa.schema({"position": pa.int64()} | {name: kinds[name] for name in kinds if name not in _SET_BY_MERGE})


def people_invented(session: Session, product: str) -> int:
    """How many colleagues are staged, if every email of theirs is in `.example`, as only a sandbox writes; else 0."""
    found: int = row(session, f"products/stage_{product}_invented")["people"]
    return found


def merge(session: Session, product: str, tables: Sequence[str], fetch: FetchRow, *, has_parts: bool) -> Merged:
    """Merge the staged document. The caller holds the transaction.

    With `has_parts` the parts of a record that its newest document no longer shows stay, with `in_latest_export` false.
    """
    parameters = asdict(fetch)
    before = row(session, f"products/{product}_counts", **parameters)
    for table in tables:
        run(session, f"products/{table}_merge", **parameters)
    if has_parts:
        run(session, f"products/{product}_hide", **parameters)
    after = row(session, f"products/{product}_merged", **parameters)
    staged, known, changed = (int(before[name]) for name in ("rows_staged", "rows_known", "rows_changed"))
    return Merged(staged, staged - known, changed, known - changed, int(after["rows_merged"]))


def no_longer_shown(session: Session, fetch: FetchRow) -> None:
    """Set `in_latest_export` to false on activities within the fetch's window that its document does not show."""
    run(session, "products/activity_gone", **asdict(fetch))


def forget(session: Session, product: str) -> None:
    """Empty a product's tables, to be rebuilt in this same transaction from its landed documents."""
    run(session, f"products/{product}_forget")
