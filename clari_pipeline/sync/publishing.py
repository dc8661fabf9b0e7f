"""Publish files for readers: a copy of the DuckDB warehouse, and each mart as a Parquet file beside it.

No other process can read a DuckDB file that is being written. So each run ends with a copy of it, consistent as of one
moment; a reader who has the old copy open keeps it until it is closed. On a server only the Parquet files are written.
Each file is written to a temporary folder, synced to disk, then renamed into place. Marts of the history that have
become large have no files unless a setting asks for them: they would take seconds of each run, and can be read in the
copy or on the server.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from clari_pipeline.core.disk import to_disk
from clari_pipeline.core.runbook import PipelineError, Problem, RunbookSection
from clari_pipeline.store.mart_registry import MARTS
from clari_pipeline.store.marts import published
from clari_pipeline.warehouse.duckdb.errors import MAKE_AGAIN, says_damaged
from clari_pipeline.warehouse.errors import WarehouseDamaged, WarehouseError
from clari_pipeline.warehouse.session import Warehouse

_LOCK_TIMEOUT_S = 60


class PublishingError(PipelineError):
    """The files for readers could not be replaced, and stay as they were. The message is one line: cause and remedy."""


@dataclass(frozen=True, slots=True)
class Places:
    """Paths of the files for readers: the file `copy` and the folder `marts`, on the same disk.

    Marts of the history have files while `forecast_call_week` has at most `weekly_max_rows` rows.
    """

    copy: Path
    marts: Path
    weekly_max_rows: int

    def parquet(self, mart: str) -> Path:
        """The path of a mart's Parquet file."""
        return self.marts / f"{mart}.parquet"

    def are_whole(self) -> bool:
        """Whether every mart has its file, or every mart but those of the history."""
        there = {mart for mart in MARTS if self.parquet(mart).exists()}
        return there in (set(MARTS), {mart.name for mart in MARTS.values() if not mart.is_weekly})


@dataclass(frozen=True, slots=True)
class Published:
    """Whether files were replaced (`is_new`) or replacing them failed (not `is_done`), with the problems to report."""

    is_new: bool = False
    is_done: bool = True
    problems: tuple[Problem, ...] = ()


def publish(warehouse: Warehouse, places: Places) -> Published:
    """Replace the copy and the Parquet files if the warehouse has changed. No session of this process may be open.

    A failure is returned as a problem: what was merged stays merged. Holds an exclusive file lock, and deletes the
    temporary folder of a killed process.
    """
    try:
        return _publish(warehouse, places)
    except PublishingError as error:
        return Published(is_done=False, problems=(Problem.of_error(error),))


def _publish(warehouse: Warehouse, places: Places) -> Published:
    """The same, but raises `PublishingError`."""
    folder = places.copy.parent
    temporary = folder / ".publishing"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".publishing.lock", timeout=_LOCK_TIMEOUT_S):
            shutil.rmtree(temporary, ignore_errors=True)
            if warehouse.is_copied(places.copy) and places.are_whole():
                return Published()
            try:
                temporary.mkdir()
                withdrawn = _replace(
                    warehouse, places, replace(places, copy=temporary / places.copy.name, marts=temporary)
                )
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, duckdb.Error, WarehouseError) as error:
        remedy = (
            f"warehouse {warehouse.place} is damaged; {MAKE_AGAIN}"
            if says_damaged(str(error))
            else "what was merged is in the warehouse; make the folder writable, make room on its disk, then run again"
        )
        raise PublishingError(
            f"{places.copy.name} and {places.marts.name}/ in {folder} were not made anew ({_cause(error)}): {remedy}"
        ) from error
    return Published(is_new=True, problems=() if withdrawn is None else (withdrawn,))


def _replace(warehouse: Warehouse, places: Places, temporary: Places) -> Problem | None:
    """Write the files to a temporary folder, then rename each into place, the copy last: if it is new, all are.

    Returns a problem that names the marts whose files were deleted, if any.
    """
    with warehouse.copied(temporary.copy) as session:
        made = published(session, weekly_max_rows=places.weekly_max_rows)
        for mart in made:
            session.save(mart, temporary.parquet(mart))
    for file in temporary.marts.iterdir():
        to_disk(file)
    places.marts.mkdir(exist_ok=True)
    for mart in made:
        temporary.parquet(mart).replace(places.parquet(mart))
    withdrawn = [mart for mart in MARTS if mart not in made and places.parquet(mart).exists()]
    for mart in withdrawn:
        places.parquet(mart).unlink()
    has_copy = temporary.copy.exists()
    to_disk(places.marts)
    if has_copy:
        temporary.copy.replace(places.copy)
        to_disk(places.copy.parent)
    if not withdrawn:
        return None
    return Problem(
        None,
        None,
        f"{', '.join(withdrawn)} have no Parquet file any more: too large to be written by each run; read them in "
        f"{places.copy.name if has_copy else 'the warehouse'}, or set CLARI_WEEKLY_FILES_MAX_ROWS",
        RunbookSection.MARTS_WITHOUT_FILES,
    )


def _cause(error: Exception) -> str:
    match error:
        case Timeout():
            return "another process is making them"
        case WarehouseDamaged():
            return "the warehouse cannot be read"
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return "".join(str(error).splitlines()[:1])
