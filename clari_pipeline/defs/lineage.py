"""Column lineage of the marts, for Dagster's catalogue.

`pipeline_health` is made from the ledger, which is no asset: it has no lineage. A column from a table's history (an
earlier version of an entry, an earlier team) counts as the table's.
"""

from collections.abc import Callable

import dagster as dg

from clari_pipeline.defs.schemas import table_schema
from clari_pipeline.store.mart_registry import Mart


def column_lineage(mart: Mart, key: Callable[[str], dg.AssetKey]) -> dg.TableColumnLineage | None:
    """Upstream columns of each of a mart's columns, by the registry; None where none comes from an asset."""
    columns = _columns(mart.name)
    sources = dict(mart.columns)
    if mart.unchanged_from:
        unchanged = _columns(mart.unchanged_from)
        sources = {name: f"{mart.unchanged_from}.{name}" for name in columns if name in unchanged} | sources
    if not sources:
        return None
    return dg.TableColumnLineage(
        {
            name: [
                dg.TableColumnDep(asset_key=key(table), column_name=column)
                for table, _, column in (one.partition(".") for one in source.split())
            ]
            for name, source in sources.items()
            if name in columns
        }
    )


def _columns(table: str) -> list[str]:
    return [column.name for column in table_schema(table).columns]
