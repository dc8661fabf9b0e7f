"""`make bench`: runs everything, prints what it cost.

The exit code is 0 whatever the timings are, and 1 where something could not be measured.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import on_postgres, parts, with_dlt
from tests.benchmarks.parts import Bench, Row
from tests.benchmarks.processes import ProcessFailed

_SIZES = "10000,100000,1000000,5000000"
_COMPARED = 1_000_000  # entries: what is larger is replayed alone


def main() -> int:
    """Cost of the bare work, of this pipeline and of dlt, side by side."""
    parser = argparse.ArgumentParser(prog="make bench", description=main.__doc__)
    parser.add_argument("--sizes", default=_SIZES, help="Entries, comma-separated; above 1,000,000 a replay alone.")
    parser.add_argument("--repeats", type=int, default=3, help="Of what does not take long, the best of so many.")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing is left behind then, either
    begun, before = time.monotonic(), parts.machine()
    rows: list[Row] = []
    failed: list[str] = []

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {text}", file=sys.stderr, flush=True)  # noqa: T201

    def measured(what: str, part: Callable[[], list[Row]]) -> list[Row]:
        """The rows of a part; one that fails is said to have, and the others go on."""
        try:
            found = part()
        except (ProcessFailed, OSError) as error:
            say(f"{what}: {error}")
            failed.append(what)
            found = [Row(f"{what}: failed")]
        rows.extend(found)
        return found

    with tempfile.TemporaryDirectory(prefix="clari-bench-") as folder:
        bench = Bench(Path(folder), max(asked.repeats, 1), say)
        _measure(bench, sorted({int(size) for size in asked.sizes.split(",")}), measured)
    about = (
        f"Whole processes, from start to exit, the quickest of {bench.repeats} unless it took longer than 15 s. Peak "
        "is resident memory in MB of 1,000,000 bytes, dlt's that of the largest of its processes.",
        *(" ".join((module.__doc__ or "").split()) for module in (with_dlt, on_postgres)),
        f"Before: {before}. After: {parts.machine()}.",
    )
    print(parts.markdown(rows), *about, sep="\n\n")  # noqa: T201
    return 1 if failed else 0


def _measure(bench: Bench, sizes: list[int], measured: Callable[[str, Callable[[], list[Row]]], list[Row]]) -> None:
    """Everything; it is compared at one size: the largest up to 1,000,000 entries."""
    compared = max((size for size in sizes if size <= _COMPARED), default=sizes[0])
    for entries in sizes:
        what = f"{entries:,} entries"
        document = parts.written(bench, entries)
        (first, *_) = measured(what, lambda: parts.first_load(bench, document))  # noqa: B023
        if entries == compared and (bare := first.cost):
            measured("replay", lambda: parts.next_loads(bench, document, bare))  # noqa: B023
            measured("dlt", lambda: parts.dlt(bench, document, bare))  # noqa: B023
            measured("PostgreSQL", lambda: on_postgres.loads(bench, document))  # noqa: B023
        document.file.unlink()
        document.alone.unlink()
    measured("sync", lambda: parts.syncing(bench))
    measured("landing", lambda: parts.landing(bench))


if __name__ == "__main__":
    sys.exit(main())
