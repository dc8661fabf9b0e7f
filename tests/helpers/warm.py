"""Preloaded by the fork server: imports what a sync needs, once for all processes forked from it."""

import gc
import sys

import anyio
import dagster  # noqa: F401
import duckdb  # noqa: F401
import httpcore  # noqa: F401
import pyarrow  # noqa: F401

import tests.helpers.direct_steps  # noqa: F401
from clari_pipeline.checks import expectations

# The first evaluation initialises Great Expectations, so that no sync has to.
expectations.import_what_is_needed()
expectations.broken({"rows": 1}, [{"name": "there", "fact": "rows", "least": 1, "most": None}])
sys.meta_path.pop(0)  # tests import more than the gate does
anyio.run(anyio.sleep, 0)  # imports the backend that the sandbox's callers use

# Imported objects are frozen: garbage collection would touch their pages, and copy them in every forked process.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
