"""What is measured, part by part; each works in a folder of its own and gives rows of the table."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import duckdb

from clari_pipeline.core.periods import Quarter
from clari_pipeline.sandbox import Sandbox
from tests.benchmarks import exporting
from tests.benchmarks.places import FORECAST, Place
from tests.benchmarks.processes import Cost, best_of, measure, python
from tests.benchmarks.table import Reach, Row, Size, ratio

QUARTER = "2025_Q4"
QUARTERS_HELD = 8
FULL_SIZE = 1_000_000  # entries from which on the reaches are meant
MOST_MB = 900
FEEDS = {"entries": "dlt", "arrow": "dlt, fed with Arrow tables"}
CHANGED = 0.01


@dataclass(frozen=True, slots=True)
class Bench:
    """Where to work, how often to repeat what does not take long, and whom to tell what comes next."""

    folder: Path
    repeats: int
    say: Callable[[str], None]

    def best(self, run: Callable[[], Cost]) -> Cost:
        """The quickest of the repeats, told at once: whoever ends it all early has at least that."""
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

    @property
    def is_full_size(self) -> bool:
        return self.entries >= FULL_SIZE

    def reach(self, words: str, *, is_reached: bool) -> Reach:
        """A reach that is meant for documents of full size; below it, nothing can be said."""
        return Reach(words, is_reached if self.is_full_size else None)

    def at_most(self, times: float, cost: Cost, bare: Cost) -> Reach:
        return self.reach(f"≤ {times:g} ×", is_reached=ratio(cost, bare) <= times)

    def remove(self) -> None:
        self.file.unlink()
        self.alone.unlink()


def written(bench: Bench, entries: int) -> Document:
    """A document of so many entries."""
    bench.say(f"{entries:,} entries: writing the document")
    document = Document(entries, bench.folder / f"{entries}.json", bench.folder / f"{entries}-alone.json")
    write(document.file, entries, "--alone", document.alone)
    return document


def by_size(bench: Bench, document: Document) -> Size:
    """The bare work, and a replay into an empty warehouse."""
    bench.say(f"{document.entries:,} entries: the bare work")
    bare = bench.best(partial(_bare, bench, document))
    bench.say(f"{document.entries:,} entries: replay into an empty warehouse")
    replay = bench.best(partial(_first, bench, document))
    return Size(document.entries, document.file.stat().st_size / 1e6, bare, replay)


def loads(bench: Bench, document: Document, size: Size, with_dlt: list[Cost]) -> list[Row]:
    """The first load, the same document again, and one of which 1 % has changed into a warehouse that holds more."""
    bare, replay, n = size.bare, size.replay, f"{document.entries:,}"
    again, once_more = _again(bench, document)
    changed = _one_percent(bench, document)
    memory = document.reach(f"≤ {MOST_MB} MB", is_reached=replay.peak_mb <= MOST_MB)
    first_reaches = [document.at_most(4, replay, bare), memory]
    if with_dlt:
        times = ratio(with_dlt[0], replay)
        first_reaches.append(document.reach(f"≥ 6 × faster than dlt ({times:.1f} ×)", is_reached=times >= 6))
    return [
        Row(f"bare work: array reader, one MERGE; {n} entries", bare, bare),
        Row("replay --document into an empty warehouse", replay, bare, first_reaches),
        Row("the same document again", again, bare, [document.at_most(2, again, bare)]),
        Row("the same document a third time", once_more, bare, [document.at_most(2, once_more, bare)]),
        Row(
            f"1 % changed, {QUARTERS_HELD} quarters of {n} in the warehouse",
            changed,
            bare,
            [document.at_most(5, changed, bare)],
        ),
    ]


def dlt(bench: Bench, document: Document, feed: str) -> list[Cost]:
    """What dlt takes for the first load and for the second; nothing where it is not installed."""
    if find_spec("dlt") is None:
        return []
    command = partial(python, "tests.benchmarks.with_dlt", document.file)
    bench.say(f"{document.entries:,} entries: {FEEDS[feed]}, first load")
    first = bench.best(lambda: measure(command(bench.empty("dlt"), feed)))
    bench.say(f"{document.entries:,} entries: {FEEDS[feed]}, second load")
    second = bench.best(lambda: measure(command(bench.folder / "dlt", feed)))
    bench.empty("dlt")
    return [first, second]


def dlt_rows(costs: list[Cost], feed: str, bare: Cost) -> list[Row]:
    """dlt's rows; none where it is not installed."""
    whiches = ("first", "second") if costs else ()
    return [Row(f"{FEEDS[feed]}: {which} load", cost, bare) for which, cost in zip(whiches, costs, strict=True)]


def syncing(bench: Bench) -> list[Row]:
    """A sync of five small quarters in an empty folder, and what does not take a document."""
    place = Place(bench.folder / "sync")

    def sync() -> Cost:
        bench.empty("sync")
        noted.downloads.clear()
        return place.run("sync", "--last", 5, **settings)

    bench.say("sync of five small quarters; --help; status")
    noted = exporting.Noted()
    with Sandbox(job_seconds=0.02) as sandbox:
        sandbox.requests = noted
        settings = {
            "CLARI_BASE_URL": sandbox.base_url,
            "CLARI_API_KEY": sandbox.api_key,
            "CLARI_FORECAST_IDS": FORECAST,
        }
        synced = bench.best(sync)
        helped = bench.best(partial(place.run, "--help"))
        status = bench.best(partial(place.run, "status", **settings))
    with duckdb.connect(str(place.warehouse), read_only=True) as connection:
        query = "select job_id, epoch(completed_at), epoch(landed_at) from clari.export_job where state = 'LOADED'"
        jobs = connection.execute(query).fetchall()
    place.remove()
    downloaded = max(noted.downloads[job_id] - done for job_id, done, _ in jobs)
    landed = max(landed - done for _, done, landed in jobs)
    return [
        Row(
            f"sync of {len(jobs)} small quarters whose jobs finish at once",
            synced,
            reaches=[_within(10, synced.seconds)],
        ),
        Row("of these, DONE to download, the longest", reaches=[_within(1, downloaded)], seconds=downloaded),
        Row("of these, DONE to safe on the disk, the longest", seconds=landed),
        Row("--help", helped, None, [_within(0.5, helped.seconds)]),
        Row("status, Clari's quota included", status, None, [_within(1.5, status.seconds)]),
    ]


def waiting(bench: Bench) -> list[Row]:
    """From a job's DONE to its download, by a clock that is turned."""
    bench.say("waiting for jobs, by a turned clock")
    longest = max(delay for _, delay in exporting.delays(exporting.SHORT))
    share = max(delay / (seconds + delay) for seconds, delay in exporting.delays(exporting.LONG))
    return [
        Row(
            f"DONE to download, {len(exporting.SHORT)} jobs under 10 s by a turned clock",
            reaches=[_within(1, longest)],
            seconds=longest,
        ),
        Row(
            f"DONE to download, {len(exporting.LONG)} jobs of 10 s to 8 min: {share:.1%} of the wait",
            reaches=[Reach("≤ 10 % of the wait", share <= 0.1)],
        ),
    ]


def landing(bench: Bench) -> list[Row]:
    """Documents that arrive at full speed from memory."""
    bench.say("landing")
    source, report = bench.folder / "arriving.json", bench.folder / "rate.txt"
    write(source, 110_000)
    rows = []
    for megabytes in (250, 1_000):
        cost = measure(python("tests.benchmarks.landing", source, bench.empty("landing"), megabytes, report))
        rate = float(report.read_text())
        what = f"landing {megabytes:,} MB from memory: {rate:.0f} MB/s"
        rows.append(Row(what, cost, None, [Reach("≥ 200 MB/s", rate >= 200)]))
    bench.empty("landing")
    source.unlink()
    return rows


def largest(size: Size) -> Row:
    """A size beyond the one at which all is compared: its memory is what matters."""
    reach = Reach(f"≤ {MOST_MB} MB", size.replay.peak_mb <= MOST_MB)
    return Row(f"replay --document of {size.entries:,} entries", size.replay, size.bare, [reach])


def write(file: Path, entries: int, *more: object) -> None:
    """A generated document; `more` is what `documents` takes beside."""
    measure(python("tests.benchmarks.documents", file, entries, *more))


def _bare(bench: Bench, document: Document) -> Cost:
    return measure(python("tests.benchmarks.bare", document.alone, bench.empty("bare") / "bare.duckdb"))


def _first(bench: Bench, document: Document) -> Cost:
    place = Place(bench.empty("first"))
    cost = place.replay(document.file, QUARTER)
    place.remove()
    return cost


def _again(bench: Bench, document: Document) -> tuple[Cost, Cost]:
    """The second time and the third."""
    bench.say(f"{document.entries:,} entries: the same document again")
    held = Place(bench.empty("held"))
    held.replay(document.file, QUARTER)
    costs = []
    for _ in ("second", "third"):
        costs.append(bench.best(partial(_next, bench, held, document.file)))
        held.replay(document.file, QUARTER)
    held.remove()
    return costs[0], costs[1]


def _one_percent(bench: Bench, document: Document) -> Cost:
    """The newest of eight quarters, 1 % of it changed; each repeat begins with the same warehouse."""
    held = Place(bench.empty("held"))
    newest = Quarter.parse(QUARTER)
    file = bench.folder / "held.json"
    for number in range(1 - QUARTERS_HELD, 1):
        quarter = str(newest.shifted(number))
        bench.say(f"{document.entries:,} entries: {quarter} of the {QUARTERS_HELD} quarters to be held")
        write(file, document.entries, "--quarter", quarter)
        held.replay(file, quarter)
    write(file, document.entries, "--changed-share", CHANGED)
    bench.say(f"{document.entries:,} entries: 1 % changed")
    cost = bench.best(partial(_next, bench, held, file))
    held.remove()
    file.unlink()
    return cost


def _next(bench: Bench, held: Place, file: Path) -> Cost:
    """What a document costs where others are already; they stay as they are."""
    place = held.copied(bench.empty("next"))
    cost = place.replay(file, QUARTER)
    place.remove()
    return cost


def _within(most: float, seconds: float) -> Reach:
    return Reach(f"≤ {most:g} s", seconds <= most)
