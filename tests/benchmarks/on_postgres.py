"""What a load costs on PostgreSQL, beside the bare work there: the tests' own server, its settings the same for both.

What the server's processes took is a part of the CPU seconds where the server runs on this machine; the peak is that of
the process that loads. Before each row the server is brought to rest.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.benchmarks.bare import URL
from tests.benchmarks.parts import CHANGED, QUARTER, Bench, Document, Row, write
from tests.benchmarks.places import Place
from tests.benchmarks.processes import Cost, measure, python
from tests.helpers import postgres_server

_SHOWN = ("server_version", "shared_buffers", "max_wal_size", "fsync", "synchronous_commit")


def loads(bench: Bench, document: Document) -> list[Row]:
    """The bare work, the first load, the same document again, and one of which 1 % has changed."""
    if postgres_server.NAMED not in os.environ and postgres_server.programs() is None:
        return [Row("PostgreSQL: not measured: no PostgreSQL")]
    with postgres_server.postgres() as administrator:
        server = _Server(administrator)
        bare = bench.best("PostgreSQL: the bare work", partial(_bare, server, document))
        first = bench.best("PostgreSQL: replay into an empty warehouse", partial(_first, bench, server, document))
        file = bench.folder / "changed.json"
        write(file, document.entries, "--changed-share", CHANGED)
        with postgres_server.database(administrator) as url:
            held = Place(bench.empty("held"), url)
            held.replay(document.file, QUARTER)
            again = bench.best(
                "PostgreSQL: the same document again", partial(_next, bench, server, held, document.file)
            )
            changed = bench.best("PostgreSQL: 1 % changed", partial(_next, bench, server, held, file))
            held.remove()
        shown = ", ".join(f"{name} = {server.ask(f'show {name}')[0][0]}" for name in _SHOWN)
    return [
        Row("PostgreSQL: bare work: array reader, COPY, one MERGE by key", bare, bare),
        Row("PostgreSQL: replay --document into an empty warehouse", first, bare, "1.5 ×"),
        Row("PostgreSQL: the same document again", again, bare),
        Row("PostgreSQL: 1 % changed", changed, bare),
        Row(f"PostgreSQL: {shown}"),
    ]


class _Server:
    """A server, as its administrator sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(query.encode())
            return found.fetchall() if found.description else []

    @contextmanager
    def copy(self, of: str) -> Iterator[str]:
        """The URL of a copy of a database, which goes again."""
        name = urlsplit(of).path.lstrip("/")
        self.ask(f'create database "{name}_copy" template "{name}"')
        try:
            yield urlsplit(of)._replace(path=f"/{name}_copy").geturl()
        finally:
            self.ask(f'drop database "{name}_copy" with (force)')

    def cost_of(self, run: Callable[[], Cost]) -> Cost:
        """What a process costs, the server's own processor time with it."""
        self.ask("checkpoint")
        before = self._cpu_seconds()
        cost = run()
        return replace(cost, cpu_seconds=cost.cpu_seconds + self._cpu_seconds() - before)

    def _cpu_seconds(self) -> float:
        """Of all its processes, those that have ended with them; 0 where it runs elsewhere."""
        ((folder,),) = self.ask("show data_directory")
        try:
            first = int((Path(str(folder)) / "postmaster.pid").read_text().split()[0])
            ticks = sum(_stat(first)[11:15])
        except (OSError, ValueError):
            return 0.0
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError):  # it has just ended
                if (found := _stat(int(process.name)))[1] == first:
                    ticks += sum(found[11:13])
        return ticks / os.sysconf("SC_CLK_TCK")


def _stat(process: int) -> list[int]:
    """The numbers of a process after its name: its parent is the second of them, its ticks the twelfth and on."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return [0, *map(int, fields[1:])]


def _bare(server: _Server, document: Document) -> Cost:
    with postgres_server.database(server.url) as url:
        command = python("tests.benchmarks.bare", document.alone)
        return server.cost_of(partial(measure, command, environment={URL: url}))


def _first(bench: Bench, server: _Server, document: Document) -> Cost:
    with postgres_server.database(server.url) as url:
        place = Place(bench.empty("first"), url)
        return server.cost_of(partial(place.replay, document.file, QUARTER))


def _next(bench: Bench, server: _Server, held: Place, file: Path) -> Cost:
    """What a document costs where another is already, which stays as it is."""
    with server.copy(held.url) as url:
        place = held.copied(bench.empty("next"), url)
        return server.cost_of(partial(place.replay, file, QUARTER))
