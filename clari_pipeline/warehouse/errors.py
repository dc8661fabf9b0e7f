"""What can go wrong with a warehouse, whatever its engine. Each message is one line: cause and remedy, no secret.

WarehouseError            it cannot be used now
  WarehouseUnwritable     a setting, a path or a right is to be mended: found before Clari is asked
    WrongEnvironment      it belongs to another environment than CLARI_ENV names
  WarehouseMissing        nothing was ever written
  WarehouseDamaged        its file is no longer what was written: a backup, or the landed documents, make it again
  WarehouseFull           no room on its disk: nothing of what was being written is kept
  WarehouseLocked         somebody else has held it for longer than we wait
  WarehouseInterrupted    what was begun was rolled back, or nobody knows: look at the ledger, then retry
"""

from clari_pipeline.core.runbook import PipelineError


class WarehouseError(PipelineError):
    """The warehouse cannot be used. One line: cause and remedy. `is_unreachable`: nobody answers there, or not yet."""

    def __init__(self, message: str = "", *, is_unreachable: bool = False) -> None:
        super().__init__(message)
        self.is_unreachable = is_unreachable


class WarehouseUnwritable(WarehouseError):
    """The warehouse cannot be written as it is set: found before Clari is asked."""


class WrongEnvironment(WarehouseUnwritable):
    """The warehouse belongs to another environment: to `remembered`."""

    def __init__(self, message: str, *, remembered: str) -> None:
        super().__init__(message)
        self.remembered = remembered


class WarehouseMissing(WarehouseError):
    """There is nothing to read: nothing was ever written."""


class WarehouseDamaged(WarehouseError):
    """The warehouse's file cannot be read any more. Documents stay landed: all of it can be made again."""


class WarehouseFull(WarehouseError):
    """The disk of the warehouse has no room. Nothing of what was being written is kept; documents stay landed."""


class WarehouseLocked(WarehouseError):
    """Another process, or another part of this one, has held the warehouse for longer than we wait."""


class WarehouseInterrupted(WarehouseError):
    """The connection was lost, or the server gave way to somebody else: worth a retry in a new session."""


def lock_timed_out(place: str, what: str) -> WarehouseLocked:
    """Somebody else has held a lock of ours for longer than we wait."""
    return WarehouseLocked(
        f"warehouse {place}: another process has been at it ({what}) for too long: end it, then run again"
    )
