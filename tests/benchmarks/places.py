"""Folders in which the pipeline runs: a warehouse, a landing folder and Dagster's instance of their own."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clari_pipeline.core.periods import FiscalCalendar, Quarter
from tests.benchmarks.processes import Cost, measure, python

FORECAST = "total_new"
_CALLED_ON_DAY = 50  # of the quarter: its eighth week


class Place:
    """A folder in which commands are typed; all they leave behind is in it, or in the warehouse at the address."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.url = url or f"duckdb:///{folder}/data/warehouse.duckdb"
        self._exports = 0
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, *words: object, **settings: str) -> Cost:
        """What a command costs; nothing is set but where things are, and `settings`."""
        environment = {
            "CLARI_DATA_DIR": f"{self.folder}/data",
            "CLARI_WAREHOUSE_URL": self.url,
            "DAGSTER_HOME": f"{self.folder}/dagster_home",
        }
        return measure(python("clari_pipeline", *words), folder=self.folder, environment=environment | settings)

    def replay(self, document: Path, quarter: str) -> Cost:
        """Merge a document, exported a minute after the one before it."""
        self._exports += 1
        first_day = datetime.combine(FiscalCalendar().first_day(Quarter.parse(quarter)), datetime.min.time(), UTC)
        exported_at = first_day + timedelta(days=_CALLED_ON_DAY, minutes=self._exports)
        return self.run(
            "replay",
            *("--document", document, "--forecast", FORECAST, "--period", quarter),
            *("--exported-at", exported_at.isoformat()),
        )

    def copied(self, folder: Path, url: str | None = None) -> Place:
        """The same in another folder. Landed documents are never changed, and so not copied but linked.

        What a server holds is not copied: `url` is where a copy of it stands.
        """
        copy = Place(folder, url)
        copy._exports = self._exports
        for name in ("data", "dagster_home"):
            if (self.folder / name).exists():
                shutil.copytree(self.folder / name, folder / name, copy_function=_linked_where_landed)
        return copy

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder)


def _linked_where_landed(source: str, target: str) -> None:
    if source.endswith("document.zst"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
