"""What people read while a sync writes: a copy of the warehouse, and each mart as a Parquet file beside it.

A DuckDB file that is being written can be read by nobody else. So each run ends with a copy of it, in which all tables
stand as they did at one moment, and which whoever has open keeps until it is closed. A server needs no such copy: there
the Parquet files alone are made. Each file is written in a folder of its own, and takes its place when the disk has it.
Where the marts of the history have become large they have no files unless they are asked for: they take seconds of each
run, and stand in the copy and on the server.
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

_PATIENCE_S = 60


class PublishingError(PipelineError):
    """The files for readers stay as they were. One line: cause and remedy."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files for readers stand; `copy` and `marts` on the same disk.

    The marts of the history have files while `forecast_call_week` has at most `weekly_max_rows` rows.
    """

    copy: Path
    marts: Path
    weekly_max_rows: int

    def parquet(self, mart: str) -> Path:
        """The file of a mart."""
        return self.marts / f"{mart}.parquet"

    def are_whole(self) -> bool:
        """Whether no mart's file is missing; of the history's all may be."""
        there = {mart for mart in MARTS if self.parquet(mart).exists()}
        return there in (set(MARTS), {mart.name for mart in MARTS.values() if not mart.is_weekly})


@dataclass(frozen=True, slots=True)
class Published:
    """Whether readers were given something new, and what they should hear of; `is_done` is false where it failed."""

    is_new: bool = False
    is_done: bool = True
    problems: tuple[Problem, ...] = ()


def publish(warehouse: Warehouse, places: Places) -> Published:
    """Give readers what stands now. No session of this process may be open.

    What fails here is returned as a problem: what was merged is merged all the same. One process publishes at a time,
    and removes what a killed one has left.
    """
    try:
        return _published(warehouse, places)
    except PublishingError as error:
        return Published(is_done=False, problems=(Problem.of_error(error),))


def _published(warehouse: Warehouse, places: Places) -> Published:
    """Raises `PublishingError`."""
    folder = places.copy.parent
    arriving = folder / ".publishing"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".publishing.lock", timeout=_PATIENCE_S):
            shutil.rmtree(arriving, ignore_errors=True)
            if warehouse.is_copied(places.copy) and places.are_whole():
                return Published()
            try:
                arriving.mkdir()
                withdrawn = _replace(
                    warehouse, places, replace(places, copy=arriving / places.copy.name, marts=arriving)
                )
            finally:
                shutil.rmtree(arriving, ignore_errors=True)
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


def _replace(warehouse: Warehouse, places: Places, arriving: Places) -> Problem | None:
    """Write the new files, then put each in its place, the copy last: where it is new, so are the others.

    Returns what readers should hear of marts whose files are withdrawn.
    """
    with warehouse.copied(arriving.copy) as session:
        made = published(session, weekly_max_rows=places.weekly_max_rows)
        for mart in made:
            session.save(mart, arriving.parquet(mart))
    for file in arriving.marts.iterdir():
        to_disk(file)
    places.marts.mkdir(exist_ok=True)
    for mart in made:
        arriving.parquet(mart).replace(places.parquet(mart))
    withdrawn = [mart for mart in MARTS if mart not in made and places.parquet(mart).exists()]
    for mart in withdrawn:
        places.parquet(mart).unlink()
    has_copy = arriving.copy.exists()
    to_disk(places.marts)
    if has_copy:
        arriving.copy.replace(places.copy)
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
