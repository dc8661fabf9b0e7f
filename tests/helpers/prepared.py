"""Templates that many tests start from, made once a run and shared by all of its workers.

An empty warehouse, an empty Dagster home, a folder after a first sync, a PostgreSQL cluster: each is made by whichever
worker needs it first, below one folder that the run's main process makes and removes.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

_VARIABLE = "CLARI_TEST_SHARED_FOLDER"


def begin() -> None:
    """Create the shared folder; called by the main process before it starts workers."""
    folder = Path(tempfile.mkdtemp(prefix="clari-tests-"))
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own
    os.environ[_VARIABLE] = str(folder)


def end() -> None:
    """Remove the folder."""
    shutil.rmtree(os.environ.pop(_VARIABLE), ignore_errors=True)


def shared_folder() -> Path:
    """The one folder of all workers."""
    return Path(os.environ[_VARIABLE])


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The path of this name in the shared folder; the first caller has `make` create it, under a file lock."""
    place = shared_folder() / name
    if not place.exists():
        with FileLock(f"{place}.lock"):
            if not place.exists():
                unfinished = place.with_name(f"unfinished-{name}")
                _remove(unfinished)  # of a maker that failed
                make(unfinished)
                unfinished.rename(place)
    return place


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def empty_warehouse() -> Path:
    """A DuckDB file with every table of this release and no row."""
    from clari_pipeline.warehouse.duckdb.engine import DuckWarehouse  # noqa: PLC0415 - the main process needs no DuckDB

    return made_once("empty.duckdb", lambda file: DuckWarehouse(file).prepare())


def begin_with_empty_warehouse(file: Path) -> None:
    """Put an empty warehouse there, unless one is there already."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(empty_warehouse(), file)
