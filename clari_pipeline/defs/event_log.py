"""The event log storage under the name that `dagster.yaml` files of up to 0.1 have."""

from clari_pipeline.defs.run_storage import PooledSqliteEventLog

__all__ = ["PooledSqliteEventLog"]
