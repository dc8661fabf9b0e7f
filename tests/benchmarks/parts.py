"""What is measured on DuckDB, part by part; each works in a folder of its own and gives rows of the table."""

import os
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from clari_pipeline.core.periods import Quarter
from clari_pipeline.sandbox import Sandbox
from tests.benchmarks.places import FORECAST, Place
from tests.benchmarks.processes import Cost, best_of, measure, python

QUARTER = "2025_Q4"
QUARTERS_HELD = 8
FEEDS = {"entries": "dlt", "arrow": "dlt, fed with Arrow tables"}
CHANGED = 0.01


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured; `bare` is the bare work of the same size, where it can be compared with that."""

    what: str
    cost: Cost | None = None
    bare: Cost | None = None
    aim: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        if self.cost is None:
            return (self.what, "", "", "", self.aim, "")
        times = f"{self.cost.seconds / self.bare.seconds:.1f} ×" if self.bare else ""
        seconds, processor = f"{self.cost.seconds:.2f}", f"{self.cost.cpu_seconds:.2f}"
        return (self.what, seconds, processor, times, self.aim, f"{self.cost.peak_mb:,.0f}")


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a table for docs/performance.md."""
    head = ("what", "seconds", "CPU s", "against the bare work", "aimed at", "peak MB")
    lines = [head, ("---",) * len(head), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def machine() -> str:
    """Cores, memory, versions, and how busy it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = [
        name for name in ("duckdb", "pyarrow", "dagster", "great-expectations", "dlt") if find_spec(_module(name))
    ]
    versions = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    load = " ".join(f"{average:.1f}" for average in os.getloadavg())
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {', '.join(versions)}; load average {load}"


def _module(package: str) -> str:
    return package.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Bench:
    """Where to work, how often to repeat what does not take long, and who is to hear what comes next."""

    folder: Path
    repeats: int
    say: Callable[[str], None]

    def best(self, what: str, run: Callable[[], Cost]) -> Cost:
        """The quickest of the repeats, said at once: whoever ends it all early has at least that."""
        self.say(what)
        cost = best_of(self.repeats, run)
        self.say(f"    {cost.seconds:.2f} s, CPU {cost.cpu_seconds:.2f} s, peak {cost.peak_mb:,.0f} MB")
        return cost

    def empty(self, name: str) -> Path:
        """An empty folder, whatever a part that failed may have left there."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder


@dataclass(frozen=True, slots=True)
class Document:
    """A generated document, and its entries alone."""

    entries: int
    file: Path
    alone: Path


def written(bench: Bench, entries: int) -> Document:
    """A document of so many entries."""
    document = Document(entries, bench.folder / f"{entries}.json", bench.folder / f"{entries}-alone.json")
    write(document.file, entries, "--alone", document.alone)
    return document


def write(file: Path, entries: int, *more: object) -> None:
    """A generated document; `more` is what `documents` takes beside."""
    measure(python("tests.benchmarks.documents", file, entries, *more))


def first_load(bench: Bench, document: Document) -> list[Row]:
    """The bare work, and a replay into an empty warehouse."""

    def replay() -> Cost:
        place = Place(bench.empty("first"))
        cost = place.replay(document.file, QUARTER)
        place.remove()
        return cost

    n, command = f"{document.entries:,} entries", "tests.benchmarks.bare"
    bare = bench.best(
        f"{n}: the bare work",
        lambda: measure(python(command, document.alone, bench.empty("bare") / "bare.duckdb")),
    )
    first = bench.best(f"{n}: replay into an empty warehouse", replay)
    return [
        Row(f"{n}: bare work: array reader, one MERGE", bare, bare),
        Row(f"{n}: replay --document into an empty warehouse", first, bare, "4 ×"),
    ]


def next_loads(bench: Bench, document: Document, bare: Cost) -> list[Row]:
    """The same document again, and one of which 1 % has changed into a warehouse that holds eight quarters."""
    held, newest = Place(bench.empty("held")), Quarter.parse(QUARTER)
    held.replay(document.file, QUARTER)
    again = []
    for which in ("again", "a third time"):
        again.append(bench.best(f"the same document {which}", partial(_next, bench, held, document.file)))
        held.replay(document.file, QUARTER)
    held = Place(bench.empty("held"))
    file = bench.folder / "held.json"
    for number in range(1 - QUARTERS_HELD, 1):
        quarter = str(newest.shifted(number))
        bench.say(f"{quarter} of the {QUARTERS_HELD} quarters to be held")
        write(file, document.entries, "--quarter", quarter)
        held.replay(file, quarter)
    write(file, document.entries, "--changed-share", CHANGED)
    changed = bench.best("1 % changed", partial(_next, bench, held, file))
    held.remove()
    file.unlink()
    return [
        Row("the same document again", again[0], bare, "2 ×"),
        Row("the same document a third time", again[1], bare, "2 ×"),
        Row(f"1 % changed, {QUARTERS_HELD} such quarters in the warehouse", changed, bare, "5 ×"),
    ]


def _next(bench: Bench, held: Place, file: Path) -> Cost:
    """What a document costs where others are already; they stay as they are."""
    place = held.copied(bench.empty("next"))
    cost = place.replay(file, QUARTER)
    place.remove()
    return cost


def dlt(bench: Bench, document: Document, bare: Cost) -> list[Row]:
    """What dlt takes for the first load and for the second, in both feeds; nothing where it is not installed."""
    rows = []
    for feed, name in FEEDS.items() if find_spec("dlt") else ():
        command = partial(python, "tests.benchmarks.with_dlt", document.file)
        first = bench.best(f"{name}, first load", lambda: measure(command(bench.empty("dlt"), feed)))  # noqa: B023
        second = bench.best(f"{name}, second load", lambda: measure(command(bench.folder / "dlt", feed)))  # noqa: B023
        rows += [Row(f"{name}: first load", first, bare), Row(f"{name}: second load", second, bare)]
        bench.empty("dlt")
    return rows


def syncing(bench: Bench) -> list[Row]:
    """A sync of five small quarters in an empty folder, and what does not take a document."""
    with Sandbox(job_seconds=0.02) as sandbox:
        settings = {
            "CLARI_BASE_URL": sandbox.base_url,
            "CLARI_API_KEY": sandbox.api_key,
            "CLARI_FORECAST_IDS": FORECAST,
        }
        sync = bench.best(
            "sync of five small quarters",
            lambda: Place(bench.empty("sync")).run("sync", "--last", 5, **settings),
        )
        place = Place(bench.folder / "sync")
        shown = bench.best("--help", partial(place.run, "--help"))
        status = bench.best("status", partial(place.run, "status", **settings))
    place.remove()
    return [
        Row("sync of five small quarters whose jobs finish at once", sync, None, "10 s"),
        Row("--help", shown, None, "0.5 s"),
        Row("status, Clari's quota included", status, None, "1.5 s"),
    ]


def landing(bench: Bench) -> list[Row]:
    """Documents that arrive at full speed from memory."""
    source, report = bench.folder / "arriving.json", bench.folder / "rate.txt"
    write(source, 110_000)
    rows = []
    for megabytes in (250, 1_000):
        cost = measure(python("tests.benchmarks.landing", source, bench.empty("landing"), megabytes, report))
        rate = f"{float(report.read_text()):.0f} MB/s"
        rows.append(Row(f"landing {megabytes:,} MB from memory: {rate}", cost, None, "200 MB/s"))
    bench.empty("landing")
    source.unlink()
    return rows
