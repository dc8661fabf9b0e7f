"""How long the two promised commands take, as somebody new would run them: `make bench-suite`.

Each revision is cloned into an empty folder. There `make demo` is run with its set-up, then, in a second clone,
`make test` with its set-up, and `make test` once more with all set up. Wall-clock and processor seconds are those of
the whole process tree. Nothing else should run on the machine; packages that pip or uv have cached are used.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cost:
    """What a command took, in seconds of the clock and of processors."""

    wall: float
    processor: float


def measure(folder: Path, *words: str) -> Cost:
    """Run a command in a folder to its end. Ends the program where it fails."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "MAKEFLAGS"}}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    used = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return Cost(ended - begun, used)


def megabytes(folder: Path) -> float:
    """What the files of a folder hold."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir()) / 1e6


def rows(revision: str, *, with_tests: bool) -> list[tuple[str, str]]:
    """Each figure by what it is of, for one revision."""
    folder = Path(tempfile.mkdtemp(prefix="bench-suite-"))
    try:
        demo, test = folder / "demo", folder / "test"
        for clone in (demo, test):
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", revision], check=True)
        cost = measure(demo, "make", "demo")
        found = [
            ("`make demo` in a clean clone, set-up included", f"{cost.wall:.0f} s"),
            ("what it installs", f"{megabytes(demo / '.venv'):,.0f} MB"),
        ]
        if with_tests:
            for what in ("in a clean clone, set-up included", "set-up done"):
                cost = measure(test, "make", "test")
                found.append((f"`make test`, {what}", f"{cost.wall:.0f} s, {cost.processor / 60:.1f} processor min"))
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Print a table with a column a revision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("revisions", nargs="*", default=["HEAD"], help="what to measure, HEAD unless named")
    parser.add_argument("--demo-only", action="store_true", help="leave out make test")
    given = parser.parse_args()
    columns = [rows(revision, with_tests=not given.demo_only) for revision in given.revisions]
    print(f"| what | {' | '.join(given.revisions)} |")  # noqa: T201
    print(f"| --- |{' --- |' * len(columns)}")  # noqa: T201
    for cells in zip(*columns, strict=True):
        print(f"| {cells[0][0]} | {' | '.join(figure for _, figure in cells)} |")  # noqa: T201


if __name__ == "__main__":
    main()
