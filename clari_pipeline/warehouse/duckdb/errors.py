"""Translate DuckDB's errors. It has no types for a lock, a full disk and a damaged file: they are known by message."""

import re
from pathlib import Path

import duckdb

from clari_pipeline.core.runbook import means_full_disk
from clari_pipeline.warehouse.duckdb.file import UsedHere
from clari_pipeline.warehouse.errors import (
    WarehouseDamaged,
    WarehouseError,
    WarehouseFull,
    WarehouseLocked,
    WarehouseUnwritable,
)

MAKE_AGAIN = (
    "clari-pipeline restore DIR --force puts a backup in its place; or move it away, and clari-pipeline replay makes "
    "it again from the landed documents"
)
_LOCKED = "lock on file"
_USED_HERE = "already attached by database"
_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_DAMAGED = re.compile(r"corrupt database file|not a valid duckdb database|could not read enough bytes", re.IGNORECASE)


def is_lock(error: Exception) -> bool:
    """Whether the file is locked by another process, or in use here in a way that excludes this one."""
    names_lock = any(words in str(error) for words in (_LOCKED, _USED_HERE))
    return isinstance(error, UsedHere) or (isinstance(error, duckdb.Error) and names_lock)


def says_damaged(message: str) -> bool:
    """Whether a message of DuckDB's is on a corrupt file."""
    return _DAMAGED.search(message) is not None


def translate(path: Path, cause: str) -> WarehouseError:
    """The error on a file that cannot be written, by DuckDB's or the system's message: one line with its remedy."""
    if means_full_disk(cause):
        return WarehouseFull(
            f"warehouse {path}: its disk is full, and nothing of what was being written was kept: make room "
            "there, then run again"
        )
    cause = cause.splitlines()[0]
    if says_damaged(cause):
        return WarehouseDamaged(f"warehouse {path} is damaged ({cause}): {MAKE_AGAIN}")
    return WarehouseUnwritable(
        f"warehouse {path} cannot be written ({cause}): make it writable or set CLARI_WAREHOUSE_URL"
    )


def locked(path: Path, error: Exception, timeout_s: float) -> WarehouseLocked:
    """The error on a file that stayed locked for `timeout_s`, with the process that holds it."""
    if isinstance(error, UsedHere) or _USED_HERE in str(error):
        return WarehouseLocked(
            f"warehouse {path} has been in use by another part of this process for {timeout_s:.0f} s: run again"
        )
    holder = _HOLDER.search(str(error))
    who = f"{holder['program']} (process {holder['pid']})" if holder else "another program"
    return WarehouseLocked(
        f"warehouse {path} has been locked by {who} for {timeout_s:.0f} s: close it there, then run again"
    )
