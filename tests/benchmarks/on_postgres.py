"""What a load costs on PostgreSQL, beside the bare work there: the tests' own server, its settings the same for both.

What the server's processes took is a part of the CPU seconds where the server runs on this machine; the peak is that of
the process that loads. Before each row the server is brought to rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests.benchmarks.bare_postgres import URL
from tests.benchmarks.parts import CHANGED, QUARTER, Bench, Document, write
from tests.benchmarks.places import Place
from tests.benchmarks.processes import Cost, measure, python
from tests.benchmarks.table import Reach, Row
from tests.helpers import postgres_server

MOST = 1.5
_SHOWN = ("shared_buffers", "max_wal_size", "wal_level", "fsync", "synchronous_commit", "full_page_writes")


@dataclass(frozen=True, slots=True)
class OnPostgres:
    """Rows of the table, and the server in words."""

    rows: list[Row]
    about: str


def loads(bench: Bench, document: Document) -> OnPostgres:
    """The bare work, the first load, the same document again, and one of which 1 % has changed."""
    if postgres_server.NAMED not in os.environ and postgres_server.programs() is None:
        return OnPostgres([Row("PostgreSQL: not measured: no PostgreSQL")], "No PostgreSQL here.")
    with postgres_server.postgres() as url:
        return _loads(bench, document, _Server(url))


class _Server:
    """A server, as its administrator sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str, url: str | None = None) -> list[tuple[object, ...]]:
        with psycopg.connect(url or self.url, autocommit=True) as connection:
            found = connection.execute(query.encode())
            return found.fetchall() if found.description else []

    @contextmanager
    def copy(self, of: str) -> Iterator[str]:
        """The URL of a copy of a database, which goes again."""
        name = f"{_database(of)}_copy"
        names = (sql.Identifier(name), sql.Identifier(_database(of)))
        with psycopg.connect(self.url, autocommit=True) as administrator:
            administrator.execute(sql.SQL("create database {} template {}").format(*names))
            try:
                yield urlsplit(of)._replace(path=f"/{name}").geturl()
            finally:
                administrator.execute(sql.SQL("drop database {} with (force)").format(names[0]))

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

    def __str__(self) -> str:
        ((version,),) = self.ask("show server_version")
        shown = ", ".join(f"{name} = {self.ask(f'show {name}')[0][0]}" for name in _SHOWN)
        return f"PostgreSQL {version}, settings as delivered but for those of its test folder: {shown}."


def _loads(bench: Bench, document: Document, server: _Server) -> OnPostgres:
    n = f"{document.entries:,}"
    bench.say(f"{n} entries: the bare work on PostgreSQL")
    bare = bench.best(partial(_bare, server, document))
    bench.say(f"{n} entries: replay into an empty warehouse on PostgreSQL")
    first = bench.best(partial(_first, bench, server, document))
    with postgres_server.database(server.url) as url:
        held = Place(bench.empty("held"), url)
        held.replay(document.file, QUARTER)
        bench.say(f"{n} entries: the same document again on PostgreSQL")
        written: list[int] = []
        again = bench.best(partial(_next, bench, server, held, url, document.file, written))
        bench.say(f"{n} entries: 1 % changed on PostgreSQL")
        file = bench.folder / "changed.json"
        write(file, document.entries, "--changed-share", CHANGED)
        changed = bench.best(partial(_next, bench, server, held, url, file, []))
        file.unlink()
        held.remove()
    about = str(server)
    rows = [
        Row(f"PostgreSQL: bare work: array reader, COPY, one MERGE by key; {n} entries", bare, bare),
        Row(
            "PostgreSQL: replay --document into an empty warehouse", first, bare, [document.at_most(MOST, first, bare)]
        ),
        Row(
            "PostgreSQL: the same document again",
            again,
            bare,
            [Reach(f"no entry rewritten ({written[0]:,})", is_reached=written[0] == 0)],
        ),
        Row("PostgreSQL: 1 % changed", changed, bare),
    ]
    return OnPostgres(rows, about)


def _bare(server: _Server, document: Document) -> Cost:
    with postgres_server.database(server.url) as url:
        command = python("tests.benchmarks.bare_postgres", document.alone)
        return server.cost_of(partial(measure, command, environment={URL: url}))


def _first(bench: Bench, server: _Server, document: Document) -> Cost:
    with postgres_server.database(server.url) as url:
        place = Place(bench.empty("first"), url)
        cost = server.cost_of(partial(place.replay, document.file, QUARTER))
        place.remove()
        return cost


def _next(bench: Bench, server: _Server, held: Place, held_url: str, file: Path, written: list[int]) -> Cost:
    """What a document costs where another is already, which stays as it is; and how many entries were written."""
    with server.copy(held_url) as url:
        place = held.copied(bench.empty("next"), url)
        cost = server.cost_of(partial(place.replay, file, QUARTER))
        place.remove()
        query = "select n_tup_ins + n_tup_upd from pg_stat_user_tables where relname = 'forecast_entry_state'"
        ((count,),) = server.ask(query, url)
        written.append(int(str(count)))
        return cost


def _stat(process: int) -> list[int]:
    """The numbers of a process after its name: its parent is the second of them, its ticks the twelfth and on."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return [0, *map(int, fields[1:])]


def _database(url: str) -> str:
    return urlsplit(url).path.lstrip("/")
