"""A DuckDB file that another process holds open for writing, as a sync does."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAM = """
import sys, duckdb
file, first, last = sys.argv[1:]
with duckdb.connect(file) as held:
    held.execute(first)
    print("held", flush=True)
    sys.stdin.read()
    held.execute(last)
"""


@contextmanager
def held_by_another_process(
    file: Path, *, first: str = "select 1", last: str = "select 1"
) -> Iterator[subprocess.Popen[str]]:
    """Run `first` there and keep the file open; `last` runs once its stdin is closed, as the block's end does."""
    words = [sys.executable, "-c", _PROGRAM, str(file), first, last]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.stdin.close()
