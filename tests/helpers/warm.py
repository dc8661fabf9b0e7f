"""Preloaded by the fork server: imports what a sync needs, once for all processes forked from it."""

import gc

import anyio
import dagster  # noqa: F401
import duckdb  # noqa: F401
import httpcore  # noqa: F401
import pyarrow  # noqa: F401

import tests.helpers.direct_steps  # noqa: F401
from clari_pipeline.checks import library

# The first evaluation initialises Great Expectations, so that no sync has to.
library.validate(
    {"rows": [1]}, [{"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "rows", "value_set": [1]}}]
)
anyio.run(anyio.sleep, 0)  # imports the backend that the sandbox's callers use

# Imported objects are frozen: garbage collection would touch their pages, and copy them in every forked process.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
