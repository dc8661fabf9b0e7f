"""Keep Dagster's SQLite files open while a sync runs in this process."""

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_OF_EVERY_RUN = ("history/runs.db", "history/runs/index.db")


class OpenDatabases:
    """Holds one connection to each file of the instance in `home` that a run writes; none where it has no such files.

    Dagster's storages open and close a connection for each event. Whenever the last connection to a file is closed,
    SQLite copies its write-ahead log into it and syncs both to disk, which takes many times as long as the event; while
    another is open it does so once a thousand pages. What is committed is in the log on disk either way.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._held: dict[Path, sqlite3.Connection] = {}

    def __enter__(self) -> Self:
        self._hold(_OF_EVERY_RUN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._held.values():
            connection.close()
        self._held.clear()

    def hold_run(self, run_id: str) -> None:
        """Hold a run's own file as well, which has to be there already."""
        self._hold([f"history/runs/{run_id}.db"])

    def _hold(self, files: Iterable[str]) -> None:
        for file in files:
            path = self._home / file
            if path in self._held or not path.is_file():
                continue
            with suppress(sqlite3.Error):  # slower, and no worse
                connection = sqlite3.connect(path, check_same_thread=False)
                self._held[path] = connection
                connection.execute("select count(*) from sqlite_master").fetchall()  # opens the log
