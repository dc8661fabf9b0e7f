"""The same document loaded by dlt, whose best settings on two cores these are.

Parquet files, the upsert strategy (one MERGE; delete-insert, dlt's default, takes longer), pages of 10,000 entries,
normalised and loaded by as many workers as there are cores, no telemetry. The document is decoded by orjson, dlt's own
decoder. What dlt is given is either the entries as they stand in the document, which is how its sources are written,
or Arrow tables, which it takes over without looking into them: the caller then decides upon names and types.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PAGE = 10_000
_CORES = os.cpu_count() or 1
_FILE = 250_000  # entries a Parquet file: so that there are several for the workers to share
KEY = ("forecastId", "timePeriodId", "timeFrameId", "userId", "fieldId")


def load(document: str, folder: str, feed: str) -> None:
    """Merge a document's entries into `folder`/dlt.duckdb; `feed` is `entries` or `arrow`."""
    cores = str(_CORES)
    os.environ |= {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "NORMALIZE__WORKERS": cores if feed == "entries" else "1",  # Arrow is not normalised
        "LOAD__WORKERS": cores,
        "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
        "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": str(_FILE),
        "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": str(_FILE),
    }
    import dlt  # noqa: PLC0415 - it reads the environment

    resource = dlt.resource(
        lambda: _pages(document, feed),
        name="forecast_entry",
        primary_key=KEY,
        write_disposition={"disposition": "merge", "strategy": "upsert"},
    )
    pipeline = dlt.pipeline(
        "clari",
        destination=dlt.destinations.duckdb(str(Path(folder) / "dlt.duckdb")),
        dataset_name="clari",
        pipelines_dir=str(Path(folder) / "pipelines"),
    )
    pipeline.run(resource, loader_file_format="parquet").raise_on_failed_jobs()


def _pages(document: str, feed: str) -> Iterator[Any]:
    import orjson  # noqa: PLC0415 - comes with dlt

    entries = orjson.loads(Path(document).read_bytes())["entries"]
    for first in range(0, len(entries), _PAGE):
        page = entries[first : first + _PAGE]
        entries[first : first + _PAGE] = [None] * len(page)  # what dlt has taken need not be held
        for entry in page:
            entry["forecastId"] = "bench"
        if feed == "entries":
            yield page
        else:
            import pyarrow as pa  # noqa: PLC0415

            for entry in page:
                entry["currency"] = entry["currency"]["code"]
            yield pa.Table.from_pylist(page)


if __name__ == "__main__":
    load(*sys.argv[1:])
