#!/usr/bin/env bash
# DuckDB 2.0.0 (Python package `duckdb`) writes new files in a format that no DuckDB 1.x opens; there are two ways to
# ask for an older one, and they differ where the file is there already.
#
# Expected before it was run: both are about files that are made, and leave an existing one as it is. Seen: ATTACH with
# STORAGE_VERSION 'v1.2.0' refuses to open an existing file of the newer format, so that a program that attaches its file
# with it stops working with its own older files; the setting storage_compatibility_version makes new files v1.2.0 and
# opens existing ones of either format. DuckDB 1.2.2 opens what the setting made, and calls the newer format "version
# number 999".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/new"
python3 -m venv "$folder/old"
"$folder/new/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0
"$folder/old/bin/pip" install --quiet --disable-pip-version-check duckdb==1.2.2
cd "$folder"
new/bin/python - <<'PYTHON'
import duckdb

OLDER = {"storage_compatibility_version": "v1.2.0"}


def outcome(act):
    try:
        act()
    except duckdb.Error as error:
        return type(error).__name__
    return "works"


def attach(path):
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as a (storage_version 'v1.2.0')")


with duckdb.connect("newer.duckdb") as connection:
    connection.execute("create table t as select 1 as a")
with duckdb.connect("older.duckdb", config=OLDER) as connection:
    connection.execute("create table t as select 1 as a")

seen = {
    "ATTACH (STORAGE_VERSION 'v1.2.0') of a newer file": outcome(lambda: attach("newer.duckdb")),
    "the setting, a newer file": outcome(lambda: duckdb.connect("newer.duckdb", config=OLDER).close()),
}
print(seen)
assert seen["ATTACH (STORAGE_VERSION 'v1.2.0') of a newer file"] != "works", seen
assert seen["the setting, a newer file"] == "works", seen
PYTHON
old/bin/python - <<'PYTHON'
import duckdb

with duckdb.connect("older.duckdb", read_only=True) as connection:
    assert connection.execute("from t").fetchall() == [(1,)]
try:
    duckdb.connect("newer.duckdb", read_only=True)
except duckdb.Error as error:
    print(str(error).splitlines()[0])
    assert "999" in str(error), error
else:
    raise SystemExit("DuckDB 1.2.2 opens the newer format")
PYTHON
echo "as described"
