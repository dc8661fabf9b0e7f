"""What a sync needs and takes long to import, once for all syncs that are forked from this."""

import gc
import sys

import anyio._backends._asyncio  # noqa: F401
import dagster  # noqa: F401
import duckdb  # noqa: F401
import httpcore  # noqa: F401
import pyarrow  # noqa: F401

import clari_pipeline.commands
import clari_pipeline.defs.running
import clari_pipeline.progress
import clari_pipeline.reporting  # noqa: F401
import tests.helpers.direct_runner  # noqa: F401
from clari_pipeline.quality import expectations

# Great Expectations is imported as in the process that answers for it, without what the gate does not look at: half of
# the time. The first question begins it, so that no sync has to.
later = expectations._Later()
sys.meta_path.insert(0, later)
expectations.broken({"rows": 1}, [{"name": "there", "fact": "rows", "least": 1, "most": None}])
sys.meta_path.remove(later)

# What is imported stays: a look through it for garbage would copy its memory for every process that is forked.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
