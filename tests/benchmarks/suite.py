"""How long the two promised commands take, as somebody new would run them: `make bench-suite`.

Each revision is cloned into an empty folder. There `make demo` is run with its set-up, then, in a second clone,
`make test` with its set-up, and `make test` once more with all set up. Wall-clock and processor seconds are those of
the whole process tree. Nothing else should run on the machine; packages that pip or uv have cached are used.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def measure(folder: Path, *words: str) -> str:
    """Seconds of the clock and processor minutes of a command. Ends the program where it fails."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "MAKEFLAGS"}}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    used = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return f"{ended - begun:.0f} s, {used / 60:.1f} processor min"


def figures(revision: str) -> dict[str, str]:
    """Each figure by what it is of, for one revision."""
    with tempfile.TemporaryDirectory(prefix="bench-suite-", ignore_cleanup_errors=True) as name:
        demo, test = Path(name) / "demo", Path(name) / "test"
        for clone in (demo, test):
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", revision], check=True)
        found = {"`make demo` in a clean clone, set-up included": measure(demo, "make", "demo")}
        files = (file for file in (demo / ".venv").rglob("*") if not file.is_dir())
        found["what it installs"] = f"{sum(file.lstat().st_size for file in files) / 1e6:,.0f} MB"
        for what in ("in a clean clone, set-up included", "set-up done"):
            found[f"`make test`, {what}"] = measure(test, "make", "test")
        return found


def main(revisions: list[str]) -> None:
    """Print a table with a column a revision."""
    columns = [figures(revision) for revision in revisions]
    print(f"| what | {' | '.join(revisions)} |")  # noqa: T201
    print(f"| --- |{' --- |' * len(columns)}")  # noqa: T201
    for what in columns[0]:
        print(f"| {what} | {' | '.join(column[what] for column in columns)} |")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:] or ["HEAD"])
