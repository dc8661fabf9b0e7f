"""What a sync needs and takes long to import, once for all syncs that are forked from this."""

import dagster  # noqa: F401
import duckdb  # noqa: F401
import great_expectations  # noqa: F401
import pyarrow  # noqa: F401
