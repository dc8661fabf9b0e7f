#!/usr/bin/env bash
# DuckDB 2.0.0 (Python package `duckdb`): `group by all` with nothing but constants beside the aggregates answers one row
# where there are no rows; `group by` of the same constant answers none.
#
# Who writes "one row a kind" as `select 'orders' as kind, count(*) from ... group by all` meets it: of an empty table
# there is a row that says 0, which a `union all` of several such queries, or `insert ... select`, then takes for a group.
#
# Expected before it was run: no row, as of `group by kind`. Seen: ('orders', 0); sum gives null in that row.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import duckdb

assert duckdb.__version__ == "2.0.0"
duckdb.sql("create table entry (region varchar, amount decimal(18, 2))")
asked = "select 'orders' as kind, count(*) as n, sum(amount) as total from entry group by"
assert duckdb.sql(f"{asked} all").fetchall() == [("orders", 0, None)]
assert duckdb.sql(f"{asked} kind").fetchall() == []
assert duckdb.sql("select region, count(*) from entry group by all").fetchall() == []
print("as described")
PYTHON
