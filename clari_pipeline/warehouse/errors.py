"""Errors of a warehouse, the same for every engine. Each message is one line: cause and remedy, no secret.

WarehouseError            it cannot be used now
  WarehouseUnwritable     a setting, a path or a permission is wrong: found before any export begins
    WrongEnvironment      it stores another environment than CLARI_ENV names
  WarehouseMissing        nothing was ever written
  WarehouseDamaged        its file is corrupt: restore a backup, or replay the landed documents
  WarehouseFull           its disk is full: the transaction was rolled back
  WarehouseLocked         a lock was not acquired within the timeout
  WarehouseInterrupted    the transaction was rolled back, or may have been: check the ledger, then retry
QueryRefused              a query that a user wrote is not run: no WarehouseError, as the warehouse is well
"""

from clari_pipeline.core.runbook import PipelineError


class WarehouseError(PipelineError):
    """The warehouse cannot be used. One line: cause and remedy. `is_unreachable`: no server answers, or not yet."""

    def __init__(self, message: str = "", *, is_unreachable: bool = False) -> None:
        super().__init__(message)
        self.is_unreachable = is_unreachable


class WarehouseUnwritable(WarehouseError):
    """The warehouse cannot be written with these settings and permissions."""


class WrongEnvironment(WarehouseUnwritable):
    """The warehouse stores another environment: `remembered`."""

    def __init__(self, message: str, *, remembered: str) -> None:
        super().__init__(message)
        self.remembered = remembered


class WarehouseMissing(WarehouseError):
    """There is nothing to read: nothing was ever written."""


class WarehouseDamaged(WarehouseError):
    """The warehouse's file is corrupt. Documents stay landed: all of it can be rebuilt from them."""


class WarehouseFull(WarehouseError):
    """The disk of the warehouse is full. The transaction was rolled back; documents stay landed."""


class WarehouseLocked(WarehouseError):
    """Another process, or another part of this one, has held a lock for longer than the timeout."""


class WarehouseInterrupted(WarehouseError):
    """The connection was lost, or the server chose this transaction to abort: retry in a new session."""


class QueryRefused(PipelineError):
    """A user's own query is not one SELECT, or the engine rejects it. The message has the engine's first line."""


def rejected(engine: str, error: Exception) -> QueryRefused:
    """The error on a user's own query that this engine (its title, for people) rejects."""
    return QueryRefused(f"{engine} rejects the query: {''.join(str(error).splitlines()[:1])}")


def lock_timed_out(place: str, what: str) -> WarehouseLocked:
    """The error on a lock of this pipeline, called `what`, that was not acquired within the timeout."""
    return WarehouseLocked(
        f"warehouse {place}: another process has been at it ({what}) for too long: end it, then run again"
    )
