"""What a sync needs and takes long to import, once for all syncs that are forked from this."""

import gc
import sys

import anyio
import dagster  # noqa: F401
import duckdb  # noqa: F401
import httpcore  # noqa: F401
import pyarrow  # noqa: F401

import tests.helpers.direct_steps  # noqa: F401
from clari_pipeline.checks import expectations

# The first question begins what the answer needs, so that no sync has to.
expectations.import_what_is_needed()
expectations.broken({"rows": 1}, [{"name": "there", "fact": "rows", "least": 1, "most": None}])
sys.meta_path.pop(0)  # tests import more than the gate does
anyio.run(anyio.sleep, 0)  # imports the backend that the sandbox's callers use

# What is imported stays: a look through it for garbage would copy its memory for every process that is forked.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
