#!/usr/bin/env bash
# DuckDB 2.0.0 (Python package `duckdb`): date_diff('week', a, b) counts whole spans of seven days, while
# date_diff('month', a, b) and date_diff('day', a, b) count the boundaries between a and b.
#
# Who numbers the weeks of a quarter with it meets it: date_trunc('week') begins a week on Monday, and from Sunday to
# the Monday after it is another week; date_diff('week') says 0 there, and 1 from a Saturday to the second Monday after
# it, between which two Mondays lie. From 31 January to 1 February date_diff('month') says 1.
#
# Expected before it was run: the number of Mondays between, as with months. Seen, over 294 pairs of days: always the
# days between, divided by seven; in 126 of them that is one week less than there are Mondays.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import duckdb

assert duckdb.__version__ == "2.0.0"
pairs = """
    select
        date_diff('week', a, b) as counted,
        (b - a) // 7 as spans,
        (date_trunc('week', b)::date - date_trunc('week', a)::date) // 7 as boundaries
    from (
        select date '2026-01-01' + i::int as a, date '2026-01-01' + i::int + j::int as b
        from range(14) t(i), range(1, 22) u(j)
    )
"""
counted = f"select count(*), count_if(counted = spans), count_if(counted = boundaries) from ({pairs})"
assert duckdb.sql(counted).fetchall() == [(294, 294, 168)]
ends = "date_diff('week', date '2026-01-04', date '2026-01-05'), date_diff('month', date '2026-01-31', date '2026-02-01')"
assert duckdb.sql(f"select {ends}").fetchall() == [(0, 1)]
print("as described")
PYTHON
