"""Durable files: fsync, and copies that do not fill the page cache."""

import os
from pathlib import Path

_CHUNK = 1 << 20
_DROPPED_EVERY = 128 << 20  # bytes


def to_disk(path: Path) -> None:
    """Fsync a file, or a folder's list of names. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_past_memory(source: Path, target: Path) -> None:
    """Copy a file's bytes, and drop them from the page cache as they are written. Raises `OSError`.

    In the cache a large copy would push out what others work with, and each page that it takes costs: 2.0 s of a
    processor for 900 MB on a machine to which its memory was new, 0.4 s so.
    """
    with source.open("rb") as reading, target.open("wb", buffering=0) as writing:
        at = kept = 0
        while chunk := reading.read(_CHUNK):
            writing.write(chunk)
            at += len(chunk)
            if at - kept >= _DROPPED_EVERY and hasattr(os, "posix_fadvise"):  # Linux has it
                os.fsync(writing.fileno())
                os.posix_fadvise(writing.fileno(), kept, at - kept, os.POSIX_FADV_DONTNEED)
                kept = at
