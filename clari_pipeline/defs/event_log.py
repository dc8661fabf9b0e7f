"""Where `dagster.yaml` files of up to 0.1 look for the storage of the event log."""

from clari_pipeline.defs.run_storage import PooledSqliteEventLog

__all__ = ["PooledSqliteEventLog"]
