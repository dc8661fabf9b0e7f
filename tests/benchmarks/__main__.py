"""`make bench`: runs everything, prints what it cost.

The exit code is 0 whatever the timings are, and 1 where something could not be measured.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks import on_postgres, parts, with_dlt
from tests.benchmarks.machine import load, machine
from tests.benchmarks.parts import Bench, Document
from tests.benchmarks.processes import Cost, ProcessFailed
from tests.benchmarks.table import Row, Size, show

_SIZES = "10000,100000,1000000,5000000"


def main() -> int:
    """Cost of the bare work, of this pipeline and of dlt, side by side."""
    parser = argparse.ArgumentParser(prog="make bench", description=main.__doc__)
    parser.add_argument("--sizes", default=_SIZES, help="Entries, comma-separated; above 1,000,000 a replay alone.")
    parser.add_argument("--repeats", type=int, default=3, help="Of what does not take long, the best of so many.")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing is left behind then, either
    sizes = sorted({int(size) for size in asked.sizes.split(",")})
    begun, load_before = time.monotonic(), load()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {text}", file=sys.stderr, flush=True)  # noqa: T201

    with tempfile.TemporaryDirectory(prefix="clari-bench-") as folder:
        report = _Report(say)
        _measure(Bench(Path(folder), max(asked.repeats, 1), say), sizes, report)
    about = [
        "Every row but those of the turned clock is whole processes, from start to exit, the quickest of "
        f"{max(asked.repeats, 1)} unless it took longer than 15 s; the ratio is of seconds, against the bare work of "
        "the same size. Peak is resident memory in MB of 1,000,000 bytes, dlt's that of the largest of its processes.",
        " ".join((with_dlt.__doc__ or "").split()),
        *report.about,
        f"{machine()}. Load average before: {load_before}; after: {load()}.",
    ]
    show(report.rows, report.sizes, about=about)
    return 1 if report.failures else 0


class _Report:
    """What was measured; a part that fails is said to have, and the others go on."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.rows: list[Row] = []
        self.sizes: list[Size] = []
        self.about: list[str] = []
        self.failures = 0
        self._say = say

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ProcessFailed, OSError) as failed:
            self._say(f"{what}: {failed}")
            self.failures += 1
            self.rows.append(Row(f"{what}: failed"))


def _measure(bench: Bench, sizes: list[int], report: _Report) -> None:
    """Everything; it is compared at one size: the largest up to 1,000,000 entries."""
    compared = max((size for size in sizes if size <= parts.FULL_SIZE), default=sizes[0])
    for entries in sizes:
        with report.part(f"{entries:,} entries"):
            document = parts.written(bench, entries)
            size = parts.by_size(bench, document)
            report.sizes.append(size)
            if entries == compared:
                _compare(bench, document, size, report)
            document.remove()
    with report.part("sync"):
        report.rows += parts.syncing(bench)
    with report.part("DONE to download"):
        report.rows += parts.waiting(bench)
    with report.part("landing"):
        report.rows += parts.landing(bench)
    if report.sizes and report.sizes[-1].entries > parts.FULL_SIZE:
        report.rows.append(parts.largest(report.sizes[-1]))


def _compare(bench: Bench, document: Document, size: Size, report: _Report) -> None:
    """The pipeline beside dlt, and on a server."""
    of_dlt: dict[str, list[Cost]] = {feed: [] for feed in parts.FEEDS}
    for feed in parts.FEEDS:
        with report.part(parts.FEEDS[feed]):
            of_dlt[feed] = parts.dlt(bench, document, feed)
    with report.part("replay"):
        report.rows += parts.loads(bench, document, size, of_dlt["entries"])
    for feed in parts.FEEDS:
        report.rows += parts.dlt_rows(of_dlt[feed], feed, size.bare)
    with report.part("PostgreSQL"):
        found = on_postgres.loads(bench, document)
        report.rows += found.rows
        report.about += [" ".join((on_postgres.__doc__ or "").split()), found.about]


if __name__ == "__main__":
    sys.exit(main())
