#!/usr/bin/env bash
# DuckDB 2.0.0 (Python package `duckdb`, Linux) opens the path of a database three times to open it once: for its first
# 16 bytes, for its headers (12,288 bytes), and for its blocks.
#
# Who publishes a database for readers by writing a new file and renaming it over the old one expects that a reader has
# the old file or the new one. A reader between the second and the third opening has the header of the old file and
# the blocks of the new one: `connect` then fails with "IO Error: Could not read enough bytes from file ..." or with an
# error that ends in "MetadataReader", as if the file were damaged. Two readers that opened a file of 1.3 MB without
# pause, while another process replaced it 300 times by rename, saw one such error in 3,427 openings. Opening it again
# is enough; a connection that is open is not touched by a rename.
#
# Expected before it was run: one opening. Seen: 3 for connect, 2 for ATTACH, read-only or not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import ctypes
import os
import struct

import duckdb

IN_CLOSE_WRITE, IN_CLOSE_NOWRITE, IN_OPEN = 0x08, 0x10, 0x20
libc = ctypes.CDLL(None, use_errno=True)


def openings(path, act):
    """How often the file was opened meanwhile, as the kernel's inotify counts."""
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(path), IN_OPEN | IN_CLOSE_WRITE | IN_CLOSE_NOWRITE) >= 0, os.strerror(ctypes.get_errno())
    act()
    counted = 0
    try:
        while True:
            events = os.read(watch, 65536)
            while events:
                _, mask, _, length = struct.unpack_from("iIII", events)
                counted += bool(mask & IN_OPEN)
                events = events[16 + length :]
    except BlockingIOError:
        return counted
    finally:
        os.close(watch)


def attach(words):
    with duckdb.connect() as connection:
        connection.execute(f"attach 'a.duckdb' as a {words}")
        connection.execute("from a.t").fetchall()


with duckdb.connect("a.duckdb") as connection:
    connection.execute("create table t as select 1 as a")

seen = {
    "connect": openings("a.duckdb", lambda: duckdb.connect("a.duckdb").close()),
    "connect, read-only": openings("a.duckdb", lambda: duckdb.connect("a.duckdb", read_only=True).close()),
    "attach": openings("a.duckdb", lambda: attach("")),
    "attach, read-only": openings("a.duckdb", lambda: attach("(read_only)")),
}
print(duckdb.__version__, seen)
assert duckdb.__version__ == "2.0.0"
assert seen == {"connect": 3, "connect, read-only": 3, "attach": 2, "attach, read-only": 2}, seen
PYTHON
