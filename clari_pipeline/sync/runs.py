"""Which runs are alive: each holds a lock on a file of its own, which the operating system releases when it dies."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import AsyncFileLock, BaseAsyncFileLock, FileLock, Timeout

from clari_pipeline.clari.models import segment


class Runs:
    """The lock files of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def alive(self, run_id: str) -> Iterator[None]:
        """Hold the run's lock while the context is open. A run that ends with an exception counts as killed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._file(run_id)):
            try:
                yield
            except KeyboardInterrupt:
                self._file(run_id).with_suffix(".stopped").touch()
                raise
            self._file(run_id).unlink(missing_ok=True)  # still locked: nobody takes it for an orphaned run's

    def is_alive(self, run_id: str) -> bool:
        """Whether the run's process is still there."""
        file = self._file(run_id)
        if not file.exists():
            return False
        try:
            with FileLock(file, timeout=0):
                return False
        except Timeout:
            return True

    def killed(self) -> set[str]:
        """Orphaned runs: ids of those that did not come to their end, and that no run has resumed yet."""
        return {file.stem for file in self._folder.glob("*.lock") if not self.is_alive(file.stem)}

    def was_stopped(self, run_id: str) -> bool:
        """Whether it was ended by Ctrl-C."""
        return self._file(run_id).with_suffix(".stopped").exists()

    def forget(self, run_id: str) -> None:
        """Delete the files of an orphaned run of which nothing is left to resume."""
        with suppress(Timeout), FileLock(self._file(run_id), timeout=0):
            self._file(run_id).unlink(missing_ok=True)
            self._file(run_id).with_suffix(".stopped").unlink(missing_ok=True)

    def submission_lock(self, forecast_id: str, time_period_id: str) -> BaseAsyncFileLock:
        """An exclusive lock for requests of one forecast × quarter.

        Where Clari's answer is lost, the job is found by what was requested: without the lock, two processes could take
        each other's job for their own.
        """
        folder = self._folder / "asking"
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(f"{forecast_id}\n{time_period_id}".encode()).hexdigest()[:24]
        return AsyncFileLock(folder / f"{name}.lock", thread_local=False)

    def _file(self, run_id: str) -> Path:
        return self._folder / f"{segment(run_id)}.lock"  # a ledger from elsewhere may name anything
