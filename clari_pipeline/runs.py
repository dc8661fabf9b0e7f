"""Which runs are alive: each holds a lock on a file of its own, and a process that dies lets go of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


class Runs:
    """The lock files of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def alive(self, run_id: str) -> Iterator[None]:
        """Be known as alive while the context is open."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._file(run_id)):
            yield
        self._file(run_id).unlink(missing_ok=True)

    def is_alive(self, run_id: str) -> bool:
        """Whether the run's process is still there. A run that ended well has no file any more."""
        file = self._file(run_id)
        if not file.exists():
            return False
        try:
            with FileLock(file, timeout=0):
                return False
        except Timeout:
            return True

    def _file(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.lock"
